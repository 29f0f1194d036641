/** Texts of the graph. */

export const strings = {
  graph: 'Structure',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  wholeGraph: 'Whole graph',
  graphKeys: 'arrow keys move the focus, Enter shows the details of a box, plus, minus and 0 zoom',
  graphHint: 'Drag to move, hold Ctrl and scroll to zoom. Click a box for details, or use the arrow keys and Enter.',
  legend: 'Legend',
  legendPrunable: 'can be pruned',
  legendFrozen: 'not pruned',
  legendBlock: 'part of a removable block',
  legendFigures: 'units · MACs',
  boxName: 'Name',
  boxInputs: 'Inputs',
  boxOutputs: 'Outputs',
  boxWeights: 'Weights',
  boxGroup: 'Group',
  boxBlock: 'Removable block',
  boxFrozen: 'Not pruned',
  units: 'units',
  unknownShape: 'unknown',
} as const;
