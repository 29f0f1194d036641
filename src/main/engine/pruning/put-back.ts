export { putBack } from '../structures/put-back.ts';
