/** Short name of a job's subject: a model by its file, a component by its package and its name. */
import { fileName } from '../app/format.ts';

interface Subject {
  /** Path of the model, or of the package's folder. */
  readonly model: string;
  readonly part?: { readonly component: string };
}

export const subjectText = ({ model, part }: Subject): string =>
  part ? `${fileName(model)} › ${part.component}` : fileName(model);

/** The subject of a request, where `model` is the component's file. */
export const requestSubject = ({
  model,
  part,
}: {
  readonly model: string;
  readonly part?: { readonly package: string; readonly component: string };
}): string => subjectText(part ? { model: part.package, part } : { model });
