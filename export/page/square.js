/* The middle square of a photo, as evaluation sees it. */

/**
 * Left, top, width and height of what a model of that size sees of a photo, as
 * `keras_convmixer/data/crop.py` has it.
 */
export function middleSquare(width, height, size) {
  const short = Math.min(width, height);
  const [x, y] = [width, height].map((side) => {
    const resized = Math.floor((side * size) / short);
    const scale = side / resized;
    return [roundHalfToEven((resized - size) / 2) * scale, size * scale];
  });
  return [x[0], y[0], x[1], y[1]];
}

function roundHalfToEven(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** The square in the size of the model, halved as long as it can be. */
export function resized(source, width, height, size) {
  let box = middleSquare(width, height, size);
  let side = Math.min(width, height);
  do {
    side = side < size ? size : Math.max(size, Math.ceil(side / 2));
    const smaller = document.createElement("canvas");
    smaller.width = smaller.height = side;
    const context = smaller.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white"; // Where it is transparent, as in evaluation.
    context.fillRect(0, 0, side, side);
    context.drawImage(source, ...box, 0, 0, side, side);
    source = smaller;
    box = [0, 0, side, side];
  } while (side !== size);
  return source;
}
