// The camera of this device as the source of the run: WebRTC, with one request that offers and one that ends (WHIP).

const GATHER_MS = 1000;  // time for the browser to find its own addresses
const WANTED = {video: {width: {ideal: 1280}, height: {ideal: 720}, frameRate: {ideal: 30}}};

/** Sends the camera until `stop`; `onEnd` is called when the connection is lost. */
export class Camera {
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.connection = null;
    this.tracks = [];
    this.address = "";
  }

  get isOn() { return this.connection !== null; }

  /** Ask for the camera and send it; throws an Error with a sentence for the user. */
  async start() {
    if (!navigator.mediaDevices) throw new Error("Browsers give a camera to pages on https, and on this machine at http://127.0.0.1, only.");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(WANTED);
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "The browser was told not to give its camera." : `There is no camera: ${error.message}`);
    }
    this.tracks = stream.getTracks();
    const connection = new RTCPeerConnection();
    this.connection = connection;
    for (const track of this.tracks) connection.addTransceiver(track, {direction: "sendonly"});
    connection.onconnectionstatechange = () => {
      if (connection === this.connection && ["failed", "disconnected"].includes(connection.connectionState)) {
        this.stop();
        this.onEnd();
      }
    };
    try {
      await connection.setLocalDescription();
      await gathered(connection);
      const answer = await fetch("/whip", {method: "POST", headers: {"Content-Type": "application/sdp"}, body: connection.localDescription.sdp});
      if (!answer.ok) throw new Error((await answer.json()).error);
      this.address = answer.headers.get("Location");
      await connection.setRemoteDescription({type: "answer", sdp: await answer.text()});
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Stop the camera and end the connection. */
  stop() {
    for (const track of this.tracks) track.stop();
    if (this.connection) this.connection.close();
    if (this.address) fetch(this.address, {method: "DELETE", keepalive: true}).catch(() => {});
    this.connection = null;
    this.tracks = [];
    this.address = "";
  }
}

function gathered(connection) {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise(resolve => {
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") resolve();
    });
    setTimeout(resolve, GATHER_MS);
  });
}
