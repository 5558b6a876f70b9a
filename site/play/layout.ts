/** Squares in a box: the slots of a stage, and the places of items in a slot. */

/** A rectangle, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** So many equal squares, as large as fit and at most so large, in rows from the middle. */
export function fit({ x, y, width, height }: Box, count: number, most: number): Box[] {
  let columns = 1;
  let side = 0;
  for (let tried = 1; tried <= count; tried++) {
    const possible = Math.min(width / tried, height / Math.ceil(count / tried), most);
    if (possible > side) [columns, side] = [tried, possible];
  }
  const rows = Math.ceil(count / columns);
  const left = x + (width - columns * side) / 2;
  const top = y + (height - rows * side) / 2;
  return Array.from({ length: count }, (_, nth) => ({
    x: left + (nth % columns) * side,
    y: top + Math.floor(nth / columns) * side,
    width: side,
    height: side,
  }));
}

/** The largest square in the middle of a box. */
export function square(box: Box, most: number): Box {
  return fit(box, 1, most)[0]!;
}
