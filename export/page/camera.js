/* The camera: on, off, to the other side, and a call for each of its frames. */

const SIDES = ["environment", "user"];

export class Camera {
  /**
   * `video` shows it; `onFrame` is called for a frame that it shows, and again
   * for a later one once what it returned is settled; `onEnd` if it ends by
   * itself.
   */
  constructor(video, onFrame, onEnd) {
    this.video = video;
    this.onFrame = onFrame;
    this.onEnd = onEnd;
    this.begun = null; // What is new with each start.
    this.side = SIDES[0];
  }

  /** From when it is asked for. */
  get isOn() {
    return this.begun !== null;
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error(
        "The camera needs HTTPS or localhost: see what `convmixer demo` prints.",
      );
    }
    this.stop();
    const begun = (this.begun = Symbol());
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: this.side },
      });
      const [track] = stream.getVideoTracks();
      if (this.begun !== begun) {
        track.stop(); // It was stopped or started anew meanwhile.
        return;
      }
      this.video.srcObject = stream;
      track.addEventListener("ended", () => {
        if (this.begun === begun) this.onEnd();
      });
      // Asked for in the back, a laptop has one in front: mirrors are for that.
      const { facingMode } = track.getSettings();
      this.video.classList.toggle("mirrored", facingMode === "user");
      await this.video.play();
      this.next(stream);
    } catch (error) {
      if (this.begun !== begun) return;
      this.stop();
      throw error;
    }
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
    this.begun = null;
    for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}
