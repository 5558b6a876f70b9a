export interface DeadlineOptions {
  signal?: AbortSignal;
}

export declare function deadline<T>(
  promise: Promise<T>,
  ms: number,
  options?: DeadlineOptions,
): Promise<T>;
