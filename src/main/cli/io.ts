/** The terminal as seen by commands: results go to `out`, everything else to `err`. */
export interface CliIo {
  out(text: string): void;
  err(text: string): void;
  /** True when `err` can rewrite its line. */
  readonly errIsTty: boolean;
  /** True when `out` shows colours. */
  readonly colours?: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
  readonly cwd: string;
  readonly debug: boolean;
}

export function processIo(): CliIo {
  // A reader such as `| head` may close the pipe early; that is not a failure.
  const closed = (e: NodeJS.ErrnoException): void => {
    if (e.code === 'EPIPE') process.exit(0);
    throw e;
  };
  process.stdout.on('error', closed);
  process.stderr.on('error', () => undefined);
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTty: process.stderr.isTTY === true && process.env['TERM'] !== 'dumb',
    colours: process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && !process.env['NO_COLOR'],
    columns: process.stderr.columns ?? 80,
    cwd: process.cwd(),
    debug: process.env['SECATEUR_DEBUG'] === '1',
  };
}
