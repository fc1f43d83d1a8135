// Two curves over the last minute, as SVG.

const SECONDS = 60;

/** The smallest round number that is not below the value: 1, 1.5, 2, 3, 4, 6, 8, 10, 15, 20 ... */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map(step => step * power).find(step => step >= value);
}

export class Graph {
  /** names: of the two curves; unit: after the numbers. */
  constructor(element, title, names, unit) {
    this.names = names;
    this.unit = unit;
    this.points = [];  // [seconds, first, second]
    element.innerHTML = `<p><span>${title}</span><span class="key"></span></p>
      <span class="top"></span>
      <svg viewBox="0 0 ${SECONDS} 1" preserveAspectRatio="none" role="img">
        <line x1="0" x2="${SECONDS}" y1="1" y2="1"/><line x1="0" x2="${SECONDS}" y1="0" y2="0"/>
        <polyline class="second"/><polyline class="first"/>
      </svg>
      <p class="scale"><span>60 s ago</span><span>now</span></p>`;
    this.element = element;
    this.title = title;
  }

  add(seconds, first, second) {
    if (this.points.length && seconds < this.points.at(-1)[0]) this.points = [];  // another run
    this.points.push([seconds, first, second]);
    this.points = this.points.filter(point => point[0] > seconds - SECONDS - 2);
    this.show();
  }

  show() {
    const now = this.points.at(-1)[0];
    const top = roundUp(Math.max(1, ...this.points.flatMap(point => [point[1] ?? 0, point[2] ?? 0])));
    for (const [name, column] of [["first", 1], ["second", 2]]) {
      const line = this.points.filter(point => point[column] != null)
        .map(point => `${(SECONDS - (now - point[0])).toFixed(2)},${(1 - point[column] / top).toFixed(4)}`);
      this.element.querySelector(`polyline.${name}`).setAttribute("points", line.join(" "));
    }
    const last = this.points.at(-1);
    const words = [1, 2].map(column => `${this.names[column - 1]} ${last[column] == null ? "–" : last[column].toFixed(this.unit === "ms" ? 0 : 1)}`);
    const key = this.element.querySelector(".key");
    key.replaceChildren(...words.flatMap((text, index) => {
      const bold = document.createElement("b");
      bold.textContent = text;
      return index ? [" · ", bold] : [bold];
    }));
    key.append(` ${this.unit}`);
    this.element.querySelector(".top").textContent = `${top}`;
    this.element.querySelector("svg").setAttribute("aria-label", `${this.title}, last minute: ${words.join(", ")} ${this.unit}`);
  }
}
