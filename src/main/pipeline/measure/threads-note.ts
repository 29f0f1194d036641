/** What a report says where fewer threads were used than were asked for. */
export const threadsNote = (threads: number, asked: number | undefined): string[] =>
  asked !== undefined && asked > threads
    ? [`${asked} threads were requested, and this process may use ${threads}. Latency was measured with ${threads}.`]
    : [];
