/** Chat templates: a prompt and its pictures as the conversation that the model was trained on. */
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { SecateurError } from '../../../shared/contract/errors.ts';

/** The template of a package, or null where it has none. @throws 'tokenizer-unusable' */
export function chatTemplateOf(root: string): string | null {
  const plain = join(root, 'chat_template.jinja');
  if (existsSync(plain)) return readFileSync(plain, 'utf8');
  for (const name of ['chat_template.json', 'processor_config.json', 'tokenizer_config.json']) {
    const path = join(root, name);
    if (!existsSync(path)) continue;
    try {
      const found = templateIn((JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)['chat_template']);
      if (found !== null) return found;
    } catch (e) {
      throw new SecateurError('tokenizer-unusable', { path, reason: (e as Error).message }, { cause: e });
    }
  }
  return null;
}

/** A template, or the one named `default` of several. */
function templateIn(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const named = value as readonly { name?: unknown; template?: unknown }[];
  const chosen = named.find((t) => t.name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : null;
}

/**
 * One turn of the user, ready for the answer.
 * @param pictures number of pictures, which come before the text
 * @param special special tokens by role, which templates may print
 * @throws 'run-prompt' where the template refuses the conversation or leaves the text out
 */
export function renderChat(
  template: string,
  text: string,
  pictures: number,
  special: Readonly<Record<string, string>>,
): string {
  const parts = [...Array.from({ length: pictures }, () => ({ type: 'image' })), { type: 'text', text }];
  // Templates for text expect text as the content, and templates for pictures a list of parts.
  const contents: unknown[] = pictures > 0 ? [parts] : [text, parts];
  const problems: string[] = [];
  for (const content of contents) {
    try {
      const out = new Template(template).render({
        messages: [{ role: 'user', content }],
        add_generation_prompt: true,
        ...special,
      });
      if (out.includes(text.trim())) return out;
      problems.push('its text is missing in what the chat template makes of it');
    } catch (e) {
      problems.push(`the chat template refuses it (${(e as Error).message})`);
    }
  }
  throw new SecateurError('run-prompt', { reason: problems.join('; ') });
}
