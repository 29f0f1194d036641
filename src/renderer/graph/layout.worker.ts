// Lays out the boxes of a graph with elk's layered algorithm, outside the window's main thread.
import ELK from 'elkjs/lib/elk.bundled.js';
import type { LayoutAnswer, LayoutQuestion } from './rows.ts';

const elk = new ELK();

self.onmessage = async ({ data }: MessageEvent<LayoutQuestion>) => {
  const laid = await elk.layout({
    id: 'root',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.layered.spacing.nodeNodeBetweenLayers': '28',
      'elk.spacing.nodeNode': '14',
      // Networks are long chains; they are readable when wrapped into several rows.
      'elk.aspectRatio': '2.6',
      'elk.layered.wrapping.strategy': 'MULTI_EDGE',
      'elk.layered.wrapping.additionalEdgeSpacing': '20',
      'elk.layered.nodePlacement.strategy': 'BRANDES_KOEPF',
    },
    children: data.boxes.map((b) => ({ id: b.id, width: b.width, height: b.height })),
    edges: data.edges.map((e, i) => ({ id: `e${i}`, sources: [e.from], targets: [e.to] })),
  });
  const answer: LayoutAnswer = {
    at: Object.fromEntries((laid.children ?? []).map((c) => [c.id, { x: c.x ?? 0, y: c.y ?? 0 }])),
  };
  self.postMessage(answer);
};
