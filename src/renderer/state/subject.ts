/** What a job prunes, in a few words: a model by its file, a component by its package and its name. */
import { fileName } from '../app/format.ts';

interface Subject {
  /** The model, or the folder of the package. */
  readonly model: string;
  readonly part?: { readonly component: string };
}

export const subjectText = ({ model, part }: Subject): string =>
  part ? `${fileName(model)} › ${part.component}` : fileName(model);

/** Of a request, where `model` is the component's file. */
export const requestSubject = ({
  model,
  part,
}: {
  readonly model: string;
  readonly part?: { readonly package: string; readonly component: string };
}): string => subjectText(part ? { model: part.package, part } : { model });
