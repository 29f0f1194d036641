/** Note for a report when fewer threads were used than requested. */
export const threadsNote = (threads: number, asked: number | undefined): string[] =>
  asked !== undefined && asked > threads
    ? [`${asked} threads were requested, and this process may use ${threads}. Latency was measured with ${threads}.`]
    : [];
