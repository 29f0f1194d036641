/** Separated values as in RFC 4180: quoted fields, doubled quotes, line breaks inside quotes, CRLF or LF. */

/** Files that end in .tsv are separated by tabs, others by commas. */
export const separatorOf = (path: string): string => (/\.tsv$/i.test(path) ? '\t' : ',');

/** Rows of fields. Empty lines and a byte-order mark are skipped. */
export function parseCsv(text: string, separator: string = ','): string[][] {
  const rows: string[][] = [];
  let row: string[] = [],
    field = '',
    quoted = false,
    i = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const endRow = (): void => {
    row.push(field);
    field = '';
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  };
  for (; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') {
        field += '"';
        i++;
      } else quoted = false;
    } else if (c === '"' && field === '') quoted = true;
    else if (c === separator) {
      row.push(field);
      field = '';
    } else if (c === '\n') endRow();
    else if (c !== '\r' || text[i + 1] !== '\n') field += c;
  }
  if (field !== '' || row.length) endRow();
  return rows.map((r) => r.map((f) => f.trim()));
}
