// The picture: packets over a WebSocket, decoded and drawn as they come.

const HEADER_BYTES = 16;  // is_key, three unused bytes, index of the frame (uint32), microseconds (float64)
const MAX_PAUSE_MS = 5000;  // between two attempts to connect

/**
 * The codec for this page: "h264" needs a tenth of the bandwidth, but more of both processors than "jpeg", so that a page on the
 * machine that runs Rotoscope takes JPEG. H.264 needs WebCodecs, which browsers offer on https and on localhost alone.
 * `?codec=h264` and `?codec=jpeg` in the address decide otherwise.
 */
export async function chooseCodec() {
  const wanted = new URLSearchParams(location.search).get("codec");
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  if (wanted === "jpeg" || (isHere && wanted !== "h264") || !window.VideoDecoder) return "jpeg";
  try {
    const answer = await VideoDecoder.isConfigSupported({codec: "avc1.42c01e", optimizeForLatency: true});
    return answer.supported ? "h264" : "jpeg";
  } catch { return "jpeg"; }
}

/** Receives the pictures of a run and gives each to `draw(image, hasSource)`: a result, or a result above its source. */
export class PictureStream {
  /** draw: see above; onTrouble: called when no picture comes through at all. */
  constructor(draw, onTrouble) {
    this.draw = draw;
    this.onTrouble = onTrouble;
    this.failures = 0;  // connections in a row that ended without a picture
    this.codec = "jpeg";
    this.withSource = false;
    this.socket = null;
    this.decoder = null;
    this.pauseMs = 250;
    this.frames = 0;
    this.timer = 0;
  }

  /** Connect, or connect again with other pictures. */
  open(withSource, codec = this.codec) {
    this.close();
    this.withSource = withSource;
    this.codec = codec;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/stream?codec=${codec}&source=${withSource ? 1 : 0}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = event => { if (socket === this.socket) this.receive(event.data); };
    socket.onclose = () => { if (socket === this.socket) this.openLater(); };
    this.socket = socket;
  }

  /** Stop; the server then has no work with this viewer. */
  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (socket) socket.close();
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
  }

  openLater() {
    this.close();
    this.failures += 1;
    if (this.failures >= 4 && !this.frames) this.onTrouble();
    this.timer = setTimeout(() => this.open(this.withSource), this.pauseMs);
    this.pauseMs = Math.min(this.pauseMs * 2, MAX_PAUSE_MS);
  }

  receive(data) {
    if (typeof data === "string") {
      if (this.codec === "h264") this.configure(JSON.parse(data).codec);
      return;
    }
    this.pauseMs = 250;
    this.failures = 0;
    const header = new DataView(data);
    const packet = {
      isKey: header.getUint8(0) === 1,
      index: header.getUint32(4, true),
      microseconds: header.getFloat64(8, true),
      data: new Uint8Array(data, HEADER_BYTES),
    };
    if (this.codec === "h264") this.decode(packet);
    else this.decodeJpeg(packet);
  }

  async decodeJpeg(packet) {
    const socket = this.socket, withSource = this.withSource;
    try {
      const image = await createImageBitmap(new Blob([packet.data], {type: "image/jpeg"}));
      if (socket === this.socket) this.show(image, withSource);
      image.close();
    } finally {
      this.answer(socket);
    }
  }

  configure(codec) {
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    const withSource = this.withSource, socket = this.socket;
    const decoder = new VideoDecoder({
      output: image => {
        if (socket === this.socket) this.show(image, withSource);
        image.close();
      },
      error: () => { if (socket === this.socket) this.open(withSource, "jpeg"); },
    });
    decoder.configure({codec, optimizeForLatency: true});
    this.decoder = decoder;
  }

  decode(packet) {
    const decoder = this.decoder, socket = this.socket;
    try {
      decoder.decode(new EncodedVideoChunk({
        type: packet.isKey ? "key" : "delta", timestamp: packet.microseconds, data: packet.data,
      }));
    } catch {
      this.open(this.withSource, "jpeg");
      return;
    }
    // Answered before the picture comes out, because some decoders hold a few back.
    if (decoder.decodeQueueSize <= 2) this.answer(socket);
    else decoder.addEventListener("dequeue", () => this.answer(socket), {once: true});
  }

  answer(socket) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send("");
  }

  show(image, withSource) {
    this.frames += 1;
    this.draw(image, withSource);
  }
}
