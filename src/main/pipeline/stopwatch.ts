/** Seconds of the parts of a job. */
export interface Stopwatch {
  /** Ends the part with this name. */
  mark(name: string): void;
  seconds(): Record<string, number>;
}

export function stopwatch(): Stopwatch {
  let last = performance.now();
  const out: Record<string, number> = {};
  return {
    mark(name) {
      const now = performance.now();
      out[name] = Math.round(((out[name] ?? 0) + (now - last) / 1000) * 100) / 100;
      last = now;
    },
    seconds: () => ({ ...out }),
  };
}
