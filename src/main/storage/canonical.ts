/** JSON with one representation per value: sorted keys, no white space. Used as input of hashes. */

/** Properties that are undefined are left out, as in JSON. NaN, infinities, functions and symbols throw a TypeError. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return JSON.stringify(`${value}n`);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`A key holds ${value}, which JSON cannot write`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((v) => canonicalJson(v === undefined ? null : v)).join(',')}]`;
  if (typeof value === 'object') {
    if (ArrayBuffer.isView(value) || value instanceof Map || value instanceof Set) {
      throw new TypeError('A key holds a value that is not plain JSON: hash it first');
    }
    const parts = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`);
    return `{${parts.join(',')}}`;
  }
  throw new TypeError(`A key holds a ${typeof value}, which JSON cannot write`);
}
