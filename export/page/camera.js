/* The camera: on, off, to the other side, and a call for each of its frames. */

const SIDES = ["environment", "user"];

export class Camera {
  /**
   * `video` shows it; `onFrame` is called for a frame that it shows, and again
   * for a later one once what it returned is settled.
   */
  constructor(video, onFrame) {
    this.video = video;
    this.onFrame = onFrame;
    this.side = SIDES[0];
  }

  get isOn() {
    return this.video.srcObject !== null;
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error(
        "The camera needs HTTPS or localhost: see what `convmixer demo` prints.",
      );
    }
    this.stop();
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: this.side },
    });
    this.video.srcObject = stream;
    // Asked for in the back, a laptop has one in front: mirrors are for that.
    const { facingMode } = stream.getVideoTracks()[0].getSettings();
    this.video.classList.toggle("mirrored", facingMode === "user");
    await this.video.play();
    this.next(stream);
  }

  /** Goes on until the stream is another one, or none. */
  next(stream) {
    this.video.requestVideoFrameCallback(async () => {
      if (this.video.srcObject !== stream) return;
      await this.onFrame();
      this.next(stream);
    });
  }

  async turn() {
    this.side = SIDES[1 - SIDES.indexOf(this.side)];
    await this.start();
  }

  stop() {
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}
