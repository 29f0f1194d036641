// npm run demo: prunes the built-in classifier to half of its measured latency on this machine,
// recovers it, writes a bundle, verifies it and measures both models on the test set. All files are
// written to out/demo (or the given folder).
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const [folder = join(root, 'out/demo'), budget = '0.5x'] = process.argv.slice(2);
const out = resolve(folder);
const samples = join(root, 'resources/samples');
const model = join(samples, 'scenes-resnet.onnx');
const data = join(out, 'scenes.npz');
const bundle = join(out, 'bundle');
const launcher = join(root, 'bin/secateur.mjs');
// A data folder of its own: the demo adds nothing to the user's folder and starts without cached
// scores.
const env = { SECATEUR_HOME: join(out, 'home'), ...process.env };

if (out === root || root.startsWith(out + '/')) throw new Error(`${out} would be emptied: give a folder of its own`);
rmSync(out, { recursive: true, force: true });

/**
 * Exit codes of `compress` after which there is a bundle that was not accepted. The report gives
 * the reason, and the demo continues.
 */
const NOT_ACCEPTED = [4, 7];

function step(title, file, ...args) {
  console.log(`\n${title}`);
  console.log(`  node ${[file, ...args].map((a) => relative(process.cwd(), a) || a).join(' ')}\n`);
  const { status } = spawnSync(process.execPath, [file, ...args], { cwd: root, env, stdio: 'inherit' });
  const bundled = args[0] === 'compress' && NOT_ACCEPTED.includes(status ?? 1) && existsSync(bundle);
  if (status !== 0 && !bundled) process.exit(status ?? 1);
  return status;
}

const started = Date.now();
step(
  'Drawing 4000 scenes to prune and recover with',
  join(root, 'scripts/run.mjs'),
  join(root, 'scripts/samples-data.ts'),
  data,
  '4000',
);
const compressed = step(
  `Pruning the sample to ${budget} of its latency`,
  launcher,
  'compress',
  model,
  '--budget',
  budget,
  '--data',
  data,
  '--time-limit',
  '80',
  '--out',
  bundle,
);
const files = readdirSync(bundle, { recursive: true, encoding: 'utf8' }).map((name) => join(bundle, name));
const verified = files.find((f) => f.endsWith('.ortpackage'));
const pruned = files.find((f) => f.endsWith('.onnx'));
step('Verifying the bundle', launcher, 'verify', verified);
step(
  'Comparing both models on the test set',
  launcher,
  'compare',
  model,
  pruned,
  '--data',
  join(samples, 'scenes-test.npz'),
);
if (compressed !== 0) console.log('\nThe result was NOT ACCEPTED: see the reasons above.');
console.log(
  `\nDone in ${Math.round((Date.now() - started) / 1000)} s. The bundle: ${relative(process.cwd(), verified)}`,
);
