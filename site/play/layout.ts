/** Squares in a box: the slots of a stage, and the places of items in a slot. */

/** A rectangle, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * So many equal squares in rows, as large as fit and at most so large. Of equal sizes it takes the rows
 * with the fewest gaps, and of those the squarest.
 */
export function fit({ x, y, width, height }: Box, count: number, most: number): Box[] {
  let columns = 1;
  let side = 0;
  let waste = Infinity;
  for (let tried = 1; tried <= count; tried++) {
    const rows = Math.ceil(count / tried);
    const possible = Math.min(width / tried, height / rows, most);
    const wasted = 100 * (rows * tried - count) + Math.abs(rows - tried);
    if (possible < side || (possible === side && wasted > waste)) continue;
    [columns, side, waste] = [tried, possible, wasted];
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
