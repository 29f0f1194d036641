/** Finds a Python interpreter with onnxruntime, for the scripts in bundles. */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Python with onnxruntime, numpy and pillow: the one named by SECATEUR_PYTHON, the system's, or one
 * in a fresh environment when SECATEUR_INTEROP=1.
 */
export function python(): string | null {
  const works = (bin: string): boolean => {
    try {
      execFileSync(bin, ['-c', 'import onnxruntime, numpy, PIL'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  const named = process.env['SECATEUR_PYTHON'];
  if (named !== undefined && works(named)) return named;
  const own = process.platform === 'win32' ? 'python' : 'python3';
  if (works(own)) return own;
  if (process.env['SECATEUR_INTEROP'] !== '1') return null;
  const env = join(tmpdir(), 'secateur-interop');
  const bin = process.platform === 'win32' ? join(env, 'Scripts/python.exe') : join(env, 'bin/python');
  if (!works(bin)) {
    execFileSync(own, ['-m', 'venv', env]);
    execFileSync(bin, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', 'onnxruntime', 'numpy', 'pillow']);
  }
  return bin;
}
