// Training throughput of ResNet-20 (images a second, forward + backward + SGD step) against PyTorch on the CPU.
/*
 * Arguments: [model.onnx] [--batch 128] [--threads 2] [--rounds 7] [--steps 3] [--profile]
 * The model defaults to ../shared/assets/models/resnet20_cifar10_bn.onnx, trained with batch
 * statistics. Both sides run in turns, so that other load on the machine affects both. The reported
 * figures are the median of each side and the median ratio. PyTorch 2.13.0 is installed into a
 * virtual environment in the temporary folder; TORCH_PYTHON names another Python that has it.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { buildTrainStep, crossEntropy, Trainer } from '../src/main/engine/autodiff/index.ts';
import type { HostTensor } from '../src/main/engine/executor.ts';
import { DType } from '../src/main/engine/ir/dtype.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { collectFacts } from '../src/main/runtime/facts.ts';
import { profileModel } from '../src/main/runtime/profile.ts';
import { median } from '../src/main/runtime/statistics.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '128' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    steps: { type: 'string', default: '3' },
    profile: { type: 'boolean', default: false },
  },
});
const [batch, threads, rounds, steps] = [args.batch, args.threads, args.rounds, args.steps].map(Number) as [
  number,
  number,
  number,
  number,
];
const file = resolve(positionals[0] ?? '../shared/assets/models/resnet20_cifar10_bn.onnx');

/**
 * The same network (He et al. 2016, option A shortcuts), data and optimiser in PyTorch. It answers
 * the line "N" with the seconds of N steps.
 */
const TORCH = `
import sys, time, torch, torch.nn as nn, torch.nn.functional as F
batch, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
class Block(nn.Module):
    def __init__(s, i, o, st):
        super().__init__()
        s.c1, s.b1 = nn.Conv2d(i, o, 3, st, 1, bias=False), nn.BatchNorm2d(o)
        s.c2, s.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        s.st, s.pad = st, (o - i) // 2
    def forward(s, x):
        y = s.b2(s.c2(F.relu(s.b1(s.c1(x)))))
        r = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, s.pad, s.pad)) if s.st == 2 else x
        return F.relu(y + r)
blocks = [Block(i, o, st) for i, o, st in [(16,16,1)]*3 + [(16,32,2)] + [(32,32,1)]*2 + [(32,64,2)] + [(64,64,1)]*2]
net = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
x, y = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
def step():
    opt.zero_grad(); loss = F.cross_entropy(net(x), y); loss.backward(); opt.step(); return float(loss.detach())
step(); step()
print("ready", torch.__version__, sum(p.numel() for p in net.parameters()), flush=True)
for line in sys.stdin:
    t = time.perf_counter()
    for _ in range(int(line)): step()
    print(time.perf_counter() - t, flush=True)
`;

interface Torch {
  readonly child: ChildProcess;
  readonly version: string;
  readonly parameters: number;
  ask(line: string): Promise<string>;
}

function torchPython(): string | null {
  const works = (python: string): boolean =>
    spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0;
  const given = process.env.TORCH_PYTHON;
  if (given) return works(given) ? given : null;
  const venv = join(tmpdir(), 'secateur-torch-2.13.0');
  const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  if (existsSync(python) && works(python)) return python;
  if (spawnSync('python3', ['-m', 'venv', venv], { stdio: 'ignore' }).status !== 0) return null;
  spawnSync(python, ['-m', 'pip', 'install', '-q', 'torch==2.13.0', 'numpy'], { stdio: 'ignore' });
  return works(python) ? python : null;
}

async function openTorch(): Promise<Torch | null> {
  const python = torchPython();
  if (!python) return null;
  const child = spawn(python, ['-c', TORCH, String(batch), String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const read = async (): Promise<string> => String((await lines.next()).value ?? '');
  const [, version = '', parameters = '0'] = (await read()).split(' ');
  return {
    child,
    version,
    parameters: Number(parameters),
    ask: (line) => {
      child.stdin!.write(`${line}\n`);
      return read();
    },
  };
}

if (!existsSync(file)) {
  console.log(`skipped: there is no model at ${file}`);
  process.exit(0);
}
const executor = createExecutor();
const model = openModelFile(file);
const facts = await collectFacts(model, executor, { batch });
const inputs = model.graph.inputs.filter((v) => !v.isInitializer);
const shape = facts.get(model.graph.outputs[0]!)!.shape;
const params = [...model.graph.initializers].filter(
  (v) => v.initializer!.dtype === DType.FLOAT && v.uses().every((u) => isWeight(u.node.key, u.index)),
);
function isWeight(key: string, index: number): boolean {
  if (key === 'BatchNormalization') return index === 1 || index === 2;
  return ['Conv', 'Gemm', 'MatMul'].includes(key) && index > 0;
}
const built = buildTrainStep(model, {
  facts: (v) => facts.get(v),
  params,
  loss: (ctx) => crossEntropy(ctx.b, ctx.outputs[0]!, ctx.input('labels', DType.INT64, [batch]), shape),
  optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4 },
  batchStatistics: { momentum: 0.9 },
});
const random = (n: number): Float32Array => Float32Array.from({ length: n }, () => Math.random() * 2 - 1);
const feeds: Record<string, HostTensor> = {
  labels: {
    dtype: DType.INT64,
    dims: [batch],
    data: BigInt64Array.from({ length: batch }, () => BigInt(Math.floor(Math.random() * shape[1]!))),
  },
};
for (const v of inputs) {
  const dims = facts.get(v)!.shape;
  feeds[v.name] = { dtype: DType.FLOAT, dims, data: random(dims.reduce((a, b) => a * b, 1)) };
}
if (args.profile) {
  const profile = await profileModel(built.model, { threads, runs: 5 });
  const byType = new Map<string, number>();
  for (const o of profile.operators) byType.set(o.opType, (byType.get(o.opType) ?? 0) + o.ms);
  console.table([...byType].sort((a, b) => b[1] - a[1]).map(([operator, ms]) => ({ operator, ms })));
  const slowest = [...profile.operators].sort((a, b) => b.ms - a.ms).slice(0, 60);
  for (const o of slowest)
    console.log(
      o.ms.toFixed(2).padStart(8),
      o.opType.padEnd(20),
      JSON.stringify(o.inputShapes),
      '->',
      JSON.stringify(o.outputShapes),
      o.name,
    );
}
const trainer = await Trainer.open(executor, built, { threads });
const first = (await trainer.step(feeds, 0.01)).loss;
await trainer.step(feeds, 0.01);
const ours = async (): Promise<number> => {
  const t = performance.now();
  for (let i = 0; i < steps; i++) await trainer.step(feeds, 0.01);
  return (performance.now() - t) / 1e3;
};
const torch = await openTorch();
const [mine, theirs, ratios]: [number[], number[], number[]] = [[], [], []];
for (let r = 0; r < rounds; r++) {
  const a = (batch * steps) / (await ours());
  mine.push(a);
  if (!torch) continue;
  const b = (batch * steps) / Number(await torch.ask(String(steps)));
  theirs.push(b);
  ratios.push(a / b);
}
torch?.child.kill();
const last = (await trainer.step(feeds, 0.01)).loss;
console.log(
  `model ${file}, ${params.length} parameters tensors, ${built.params.reduce((n, s) => n + s.size, 0)} weights`,
);
console.log(
  `batch ${batch}, ${threads} threads; loss ${first.toFixed(3)} -> ${last.toFixed(3)} over ${trainer.count} steps`,
);
console.log(`Secateur  ${median(mine).toFixed(0)} images/s (best ${Math.max(...mine).toFixed(0)})`);
if (torch) {
  console.log(
    `PyTorch ${torch.version}  ${median(theirs).toFixed(0)} images/s (best ${Math.max(...theirs).toFixed(0)}), ${torch.parameters} weights`,
  );
  console.log(`ratio ${median(ratios).toFixed(2)} (at least 0.7 is wanted)`);
} else console.log('PyTorch: skipped, it cannot be installed here (pip install torch==2.13.0 failed)');
await trainer.release();
