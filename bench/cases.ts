// Small models that each show a kind of fault: compressed by the command line, then run at other
// sizes by the runtime alone.
//   npm run bench -- cases [CASE...] [--folder DIR] [--python PYTHON]
// Needs ../shared/cases. The expected behaviour of each case is described in its README and checked
// by `cases` below. With a Python that has onnx and onnxruntime (--python), results also go through
// onnx.checker and Python's runtime.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pythonProblem, sizeProblems, type Sizes } from './cases/other-sizes.ts';
import { root, table } from './support.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { folder: { type: 'string', default: resolve(root, '../shared/cases') }, python: { type: 'string' } },
});

interface Answer {
  readonly exit: number | null;
  readonly json: Record<string, unknown> | null;
  readonly text: string;
}

interface Case {
  /** Data file in the folder of the cases. */
  readonly data?: string;
  /** Default 0.9x. */
  readonly budget?: string;
  /** Sizes of dynamic axes to run at; the first is the usual one. */
  readonly sizes?: Sizes;
  /**
   * True when the model's time hardly depends on its widths. An unreachable budget is then correct
   * as well, and `coverage` cuts the model.
   */
  readonly outOfReach?: boolean;
  /**
   * Set when the whole model lies in branches of an If that depends on an input, so that nothing
   * can be pruned: the expected reason.
   */
  readonly whole?: RegExp;
  /** Set when the command must refuse the model: the expected message. */
  readonly refused?: RegExp;
  /** A further check of the report of `compress`; returns a sentence when it fails. */
  readonly also?: (a: Answer, run: Run) => string | null;
}

type Run = (...args: string[]) => Answer;
const batch: Sizes = { N: [1, 3] };
const cases: Readonly<Record<string, Case>> = {
  '94b_split_c2f': { data: '94b_split_c2f.npz', sizes: batch },
  '14b_ir3_plain': { sizes: batch },
  '40b_vit_torch': { sizes: batch },
  '83b_two_diff_names': { sizes: { unk__6: [1, 3], unk__7: [1, 3] } },
  '13_lstm_zero_state': { sizes: { N: [1, 3], T: [7, 12] }, outOfReach: true },
  '65_optionA_dyn_zeros': { sizes: batch },
  '64_numeric_first': { data: 'cls6.npz', sizes: batch, also: sameTop1 },
  '64b_named_first': { data: 'cls6.npz', sizes: batch, also: sameTop1 },
  // Low enough for blocks to be dropped.
  '72_noise_injection': { sizes: {}, budget: '0.3x', outOfReach: true },
  '28b_wav2vec_dyn': { sizes: { N: [1, 2], T: [1600, 2000] } },
  '38_gqa_decoder': { sizes: { N: [1, 2], S: [4, 6], P: [3, 5] }, also: headsAndUnits },
  '17_nafnet': { data: 'hw48.npz', sizes: { N: [1, 2], H: [48, 64], W: [48, 32] } },
  '79b_silero_fixed': { whole: /nothing in this model can be pruned.*\bIf\b/s, also: benchRuns },
  '03_one_channel': { data: 'inf.npz', refused: /infinit|finite/i },
  '49_squeeze_all': { sizes: {} },
  '81b_random_like': { sizes: batch, also: bundleVerifies },
  '75_no_inputs': { refused: /no .*input/i },
  '46_zipmap': { refused: /output_probability/ },
};

/** The original's top-1 on its own data is 100 %, whatever the order of its outputs. */
function sameTop1({ json }: Answer): string | null {
  const quality = (json?.['baseline'] as { quality?: { top1?: number } } | undefined)?.quality;
  return quality?.top1 === 1 ? null : `top-1 of the original is ${quality?.top1}, not 1`;
}

/**
 * Heads within each KV group, hidden units and the residual stream are groups. The KV groups
 * themselves are as wide as the model's cache inputs and stay whole for that reason.
 */
function headsAndUnits({ json }: Answer): string | null {
  const groups = (json?.['groups'] as unknown[] | undefined)?.length ?? 0;
  const kept = ((json?.['skipped'] as { reason: string; detail?: string }[] | undefined) ?? []).filter((s) =>
    JSON.stringify(s).includes('past_key_values'),
  ).length;
  return groups === 5 && kept === 4 ? null : `${groups} groups, ${kept} caches that keep their width`;
}

function benchRuns(_: Answer, run: Run): string | null {
  const a = run('bench', join(values.folder, '79b_silero_fixed.onnx'), '--runs', '20');
  return a.exit === 0 ? null : `bench fails: ${a.text}`;
}

function bundleVerifies({ json }: Answer, run: Run): string | null {
  const a = run('verify', String(json?.['bundle']));
  // On a busy machine the latency may differ from the claim; only the golden check counts here.
  const golden = JSON.stringify(a.json ?? {});
  return /random/i.test(golden)
    ? null
    : `verify does not say that the model is random: ${a.text || golden.slice(0, 200)}`;
}

if (!existsSync(values.folder)) {
  console.log(`skipped: ${values.folder} is not here`);
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), 'secateur-cases-'));
const recipe = join(folder, 'uniform.json');
writeFileSync(recipe, JSON.stringify({ base: 'fast', allocation: 'uniform', latencyRuns: 5 }));

const run: Run = (...args) => {
  const r = spawnSync(process.execPath, [join(root, 'bin/secateur.mjs'), ...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 600_000,
    env: { ...process.env, SECATEUR_HOME: join(folder, 'home') },
  });
  let json: Answer['json'] = null;
  try {
    json = JSON.parse(r.stdout) as Record<string, unknown>;
  } catch {
    // Standard output must hold exactly one JSON document; any other output is shown.
  }
  const error = (json?.['error'] as { message?: string; code?: string } | undefined) ?? null;
  return { exit: r.status, json, text: error ? `${error.code}: ${error.message}` : json ? '' : r.stdout.slice(0, 300) };
};

/** All problems of one case. */
async function problemsOf(name: string, c: Case): Promise<{ got: string; problems: string[] }> {
  const model = join(values.folder, `${name}.onnx`);
  const data = c.data ? ['--data', join(values.folder, c.data)] : [];
  const answer = run(
    ...['compress', model, '--budget', c.budget ?? '0.9x', '--recipe', recipe, '--out', join(folder, name)],
    ...data,
  );
  if (c.refused) {
    const plain = answer.text && c.refused.test(answer.text) && !answer.text.startsWith('internal');
    return { got: answer.text, problems: plain ? [] : [`must be refused in words like ${c.refused}`] };
  }
  const result = answer.json?.['model'] as string | null | undefined;
  const problems: string[] = [];
  if (answer.text) problems.push(answer.text);
  else if (c.whole) {
    const said = JSON.stringify([answer.json?.['unreachable'], answer.json?.['notes']]);
    if (!c.whole.test(said)) problems.push(`must say in words like ${c.whole} why it stays whole: ${said}`);
  } else if (!result) {
    if (!c.outOfReach || answer.exit !== 4)
      problems.push(`no model was written: ${JSON.stringify(answer.json?.['unreachable'] ?? null).slice(0, 120)}`);
  } else {
    problems.push(...(await sizeProblems(model, result, c.sizes ?? {})));
    const wrong = values.python ? pythonProblem(values.python, result) : null;
    if (wrong) problems.push(wrong);
  }
  const more = answer.text ? null : c.also?.(answer, run);
  if (more) problems.push(more);
  const covered = run('coverage', model);
  const row = (covered.json as unknown as { ok: boolean; problems: string[] }[] | null)?.[0];
  if (!row?.ok && !c.whole) problems.push(`coverage: ${row?.problems.join('; ') ?? covered.text}`);
  return { got: result ? `exit ${answer.exit}` : answer.text, problems };
}

const rows = [['case', 'right', 'got', 'what is wrong']];
let wrong = 0;
try {
  for (const [name, c] of Object.entries(cases)) {
    if (positionals.length && !positionals.some((p) => name.startsWith(p))) continue;
    const { got, problems } = await problemsOf(name, c);
    if (problems.length) wrong++;
    rows.push([name, problems.length ? 'WRONG' : 'right', got.slice(0, 100), problems.join(' | ').slice(0, 400)]);
    console.error(rows.at(-1)!.join('  '));
  }
  console.log(table(rows.map((r) => [r[0]!, r[1]!, r[2] || '-', r[3] || '-'])));
  console.log(`${rows.length - 1 - wrong} right, ${wrong} wrong`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = wrong ? 1 : 0;
