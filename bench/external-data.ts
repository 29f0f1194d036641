/**
 * Opens and saves a 4 GiB model with external data, compared with `cp` of the same bytes in the
 * same run. Targets: open in under 1 s and 300 MiB; save, with one layer sliced, at no less than a
 * third of the speed of `cp`, with constant memory.
 * Run: `node_modules/.bin/node bench/external-data.ts` (needs 13 GiB of free disk; `--gib N` for
 * another size).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DType, MemoryTensor, Model, type Tensor } from '../src/main/engine/ir/index.ts';
import { openModelFile, saveModelFile } from '../src/main/storage/model-files.ts';

const MIB = 2 ** 20,
  LAYER = 16 * MIB;
const [task, dir] = process.argv.slice(2);

/** One layer's weights, generated on demand, so that the whole model is never in memory. */
function weights(seed: number): Tensor {
  const piece = new Uint8Array(MIB).map((_, i) => (i * 31 + seed * 7 + (i >> 8)) & 255);
  return {
    dtype: DType.FLOAT,
    dims: [2048, 2048],
    byteLength: LAYER,
    bytes: () => new Uint8Array(LAYER),
    *chunks() {
      for (let at = 0; at < LAYER; at += MIB) yield piece;
    },
  };
}

function make(folder: string, gib: number): void {
  const model = new Model();
  model.opsets.set('', 17);
  const g = model.graph;
  let x = g.addInput('x', { elemType: DType.FLOAT, shape: ['N', 2048] });
  for (let i = 0; i < (gib * 1024 * MIB) / LAYER; i++)
    x = g.emit('MatMul', [x, g.addInitializer(`w${i}`, weights(i))], { name: `layer${i}` })[0]!;
  g.outputs.push(x);
  saveModelFile(model, join(folder, 'model.onnx'), { externalData: true });
}

const peakMib = (): number => {
  // VmHWM also counts mapped file pages, but nothing is mapped here.
  const line = /VmHWM:\s+(\d+) kB/.exec(process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '');
  return (line ? Number(line[1]) : process.resourceUsage().maxRSS) / 1024;
};

/** Keeps half of the rows of the first layer's output and of the second layer's input. */
function slice(model: Model): void {
  const [a, b] = [model.graph.findValue('w0')!, model.graph.findValue('w1')!];
  const half = (t: Tensor, axis: 0 | 1): Tensor => {
    const from = t.bytes(),
      row = 2048 * 4;
    if (axis === 0) return new MemoryTensor(t.dtype, [1024, 2048], from.slice(0, LAYER / 2));
    const out = new Uint8Array(LAYER / 2);
    for (let r = 0; r < 2048; r++) out.set(from.subarray(r * row, r * row + row / 2), (r * row) / 2);
    return new MemoryTensor(t.dtype, [2048, 1024], out);
  };
  a.initializer = half(a.initializer!, 1);
  b.initializer = half(b.initializer!, 0);
}

const timed = (f: () => void): number => {
  const start = performance.now();
  f();
  return (performance.now() - start) / 1000;
};

if (task === 'open' || task === 'save') {
  // Each step runs in a process of its own, because peak memory never goes down.
  let model: Model | null = null;
  const open = timed(() => (model = openModelFile(join(dir!, 'model.onnx'))));
  let save = 0;
  if (task === 'save') {
    slice(model!);
    save = timed(() => saveModelFile(model!, join(dir!, 'sliced.onnx'), { externalData: true }));
  }
  console.log(JSON.stringify({ open, save, peak: peakMib() }));
} else {
  const at = process.argv.indexOf('--gib');
  main(at > 0 ? Number(process.argv[at + 1]) : 4);
}

function main(gib: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  const disk = statfsSync(folder);
  if (disk.bavail * disk.bsize < (3 * gib + 1) * 2 ** 30) throw new Error(`${folder} has too little free space`);
  const self = (name: string) => {
    const r = spawnSync(process.execPath, [import.meta.filename, name, folder], { encoding: 'utf8' });
    if (r.status !== 0) throw new Error(r.stderr);
    return JSON.parse(r.stdout) as { open: number; save: number; peak: number };
  };
  make(folder, gib);
  const bytes = statSync(join(folder, 'model.onnx.data')).size;
  const settle = (): void => void execFileSync('sync');
  const opened = self('open');
  const saves: number[] = [],
    copies: number[] = [],
    peaks: number[] = [];
  for (let round = 0; round < 3; round++) {
    settle();
    copies.push(timed(() => execFileSync('cp', [join(folder, 'model.onnx.data'), join(folder, 'copy')])));
    rmSync(join(folder, 'copy'));
    settle();
    const saved = self('save');
    saves.push(saved.save);
    peaks.push(saved.peak);
    rmSync(join(folder, 'sliced.onnx.data'));
  }
  const [save, copy] = [Math.min(...saves), Math.min(...copies)];
  const rate = (s: number): string => `${(bytes / MIB / s).toFixed(0)} MiB/s`;
  const verdict = (ok: boolean): string => (ok ? 'met' : 'MISSED');
  console.log(`${(bytes / 2 ** 30).toFixed(2)} GiB, ${cpus()[0]?.model}, Node ${process.version}`);
  console.log(
    `open  ${opened.open.toFixed(3)} s, peak ${opened.peak.toFixed(0)} MiB: ${verdict(opened.open < 1 && opened.peak < 300)}`,
  );
  console.log(`cp    ${copies.map((s) => s.toFixed(2)).join(', ')} s, ${rate(copy)}`);
  console.log(
    `save  ${saves.map((s) => s.toFixed(2)).join(', ')} s, ${rate(save)}, peak ${Math.max(...peaks).toFixed(0)} MiB`,
  );
  console.log(
    `save / cp speed ${(copy / save).toFixed(2)} (mark 0.33): ${verdict(copy / save >= 1 / 3)}; flat memory (under 300 MiB): ${verdict(Math.max(...peaks) < 300)}`,
  );
}
