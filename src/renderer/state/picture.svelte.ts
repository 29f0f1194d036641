/** The picture that the user asks about. */
import { drop } from './drop.svelte.ts';

/** Endings of picture files that the packages' processors read. */
export const PICTURES = /\.(png|jpe?g|webp|bmp|gif|tiff?|avif)$/i;

/** Longest side of the preview. */
const SIDE = 640;

export class Picture {
  /** Path on the machine that does the work. */
  path = $state<string | null>(null);
  name = $state('');
  /** Data URL of the preview; null where the browser cannot show the file. */
  src = $state<string | null>(null);
  /** Width over height of the upright picture. */
  ratio = $state(1);
  /** True for a picture of few pixels, which is enlarged without smoothing. */
  small = $state(false);

  /** Takes a dropped or picked file. An earlier picture stays until the new one has arrived. */
  async take(file: File): Promise<void> {
    const path = await drop.takeFile(file);
    if (path === null) return;
    const shown = await previewOf(file);
    this.path = path;
    this.name = file.name;
    this.src = shown?.src ?? null;
    this.ratio = shown ? shown.width / shown.height : 1;
    this.small = shown !== null && Math.max(shown.width, shown.height) < 160;
  }

  /** Takes a small picture that the machine that does the work has already. */
  show(path: string, name: string, src: string): void {
    Object.assign(this, { path, name, src, ratio: 1, small: true });
  }

  clear(): void {
    this.path = null;
    this.name = '';
    this.src = null;
  }
}

async function previewOf(file: File): Promise<{ src: string; width: number; height: number } | null> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    // The package may still read it: browsers do not show TIFF, for example.
    return null;
  }
  const { width, height } = bitmap;
  const by = Math.min(1, SIDE / Math.max(width, height));
  const canvas = Object.assign(document.createElement('canvas'), {
    width: Math.max(1, Math.round(width * by)),
    height: Math.max(1, Math.round(height * by)),
  });
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { src: canvas.toDataURL('image/png'), width, height };
}
