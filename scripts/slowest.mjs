// Lists the slowest tests from the JSON reports of Vitest and Playwright.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from './run-checks.mjs';

const COUNT = 10;

/** Tests of a Vitest report as { ms, file, title }. */
function ofVitest(report) {
  return report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((test) => ({ ms: test.duration ?? 0, file: relative(root, name), title: test.fullName })),
  );
}

/**
 * Tests of a Playwright report in the same form; its suites nest. A repeated test counts all its
 * runs.
 */
function ofPlaywright(report) {
  const below = ({ suites = [], specs = [] }) => [
    ...specs.map((spec) => ({
      ms: spec.tests.flatMap((test) => test.results).reduce((sum, result) => sum + result.duration, 0),
      file: `test/e2e/${spec.file}`,
      title: spec.title,
    })),
    ...suites.flatMap(below),
  ];
  return below(report);
}

/** A list of the slowest tests in the reports that exist, one line each; empty when there is no report. */
export function slowest(vitestReport, playwrightReport) {
  const read = (path, testsOf) => (existsSync(path) ? testsOf(JSON.parse(readFileSync(path, 'utf8'))) : []);
  const tests = [...read(vitestReport, ofVitest), ...read(playwrightReport, ofPlaywright)];
  if (!tests.length) return '';
  const lines = tests
    .sort((a, b) => b.ms - a.ms)
    .slice(0, COUNT)
    .map(({ ms, file, title }) => `  ${(ms / 1000).toFixed(1).padStart(7)} s  ${file}: ${title}`);
  return `The ${lines.length} slowest of ${tests.length} tests:\n${lines.join('\n')}`;
}
