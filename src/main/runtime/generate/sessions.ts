/** The sessions of a package, each opened when it is first needed. */
import type { ExecSession } from '../../engine/executor.ts';
import type { ComponentShape } from '../../engine/families/contract.ts';
import type { RunnerPackage } from './contract.ts';

export class Sessions {
  readonly #open: RunnerPackage['open'];
  readonly #opened = new Map<string, Promise<ExecSession>>();

  constructor(open: RunnerPackage['open']) {
    this.#open = open;
  }

  of(component: ComponentShape): Promise<ExecSession> {
    let session = this.#opened.get(component.id);
    if (!session) this.#opened.set(component.id, (session = this.#open(component.id)));
    return session;
  }

  async close(): Promise<void> {
    const all = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(all.map(async (s) => (await s).release()));
  }
}
