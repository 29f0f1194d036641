/** A store of measured figures by key, kept across runs. */
export interface Figures {
  get(key: string): number | undefined;
  put(key: string, value: number): void;
}
