export { applyPlan, type Surgery } from '../structures/apply.ts';
