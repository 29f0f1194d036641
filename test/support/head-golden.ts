/**
 * Expected figures of test/contract/head-figures.test.ts, computed before heads had files of their
 * own.
 */
export const GOLDEN = {
  'classes as logits': {
    distance: 0.001032405,
    loss: 0.5048712,
    curvature: [0.0003100542, 0.001977773],
    taylor: [0.00180227, 0.003690737, 0.004060784, 0.00260425, 0.006445208, 0.004921003],
    quality: {
      samples: 4,
      agreement: 1,
      reading: 'classes',
      agreementInterval: {
        low: 0.5101092,
        high: 1,
      },
      top1: 0.25,
      top1Interval: {
        low: 0.04558726,
        high: 0.6993582,
      },
      kl: 0.001032405,
      snrDb: 22.86645,
      cosine: 0.9988064,
      maxAbs: 0.1228956,
      outputs: [
        {
          name: 'y',
          reading: 'classes',
          samples: 4,
          agreement: 1,
          interval: {
            low: 0.5101092,
            high: 1,
          },
          chance: 0.75,
          labelChance: 0.25,
        },
      ],
    },
  },
  'classes as probabilities': {
    distance: 0.1731922,
    loss: 0.0001139641,
    curvature: [0.0003100542, 0.001977772],
    taylor: [8.832566e-5, 0.0001972231, 0.0001856806, 0.0001289469, 0.0002932503, 0.0002465453],
    quality: {
      samples: 4,
      agreement: 1,
      reading: 'classes',
      agreementInterval: {
        low: 0.5101092,
        high: 1,
      },
      kl: 0.1731922,
      snrDb: 24.05742,
      cosine: 0.998474,
      maxAbs: 0.03402755,
      outputs: [
        {
          name: 'y',
          reading: 'classes',
          samples: 4,
          agreement: 1,
          interval: {
            low: 0.5101092,
            high: 1,
          },
          chance: 0.25,
        },
      ],
    },
  },
  'classes by threshold': {
    distance: 0.005508946,
    loss: 0.005168385,
    curvature: [0.02107185, 0.01377699],
    taylor: [0.07189355, 0.07637445, 0.06076889, 0.0560235, 0.1209147, 0.1100255],
    quality: {
      samples: 4,
      agreement: 1,
      reading: 'classes',
      agreementInterval: {
        low: 0.5101092,
        high: 1,
      },
      snrDb: 22.86645,
      cosine: 0.9988064,
      maxAbs: 0.1228956,
      outputs: [
        {
          name: 'y',
          reading: 'classes',
          samples: 4,
          agreement: 1,
          interval: {
            low: 0.5101092,
            high: 1,
          },
          iou: 1,
        },
      ],
    },
  },
  'classes across samples': {
    distance: 0.005508946,
    loss: 0.005168385,
    curvature: [0.02107185, 0.01377699],
    taylor: [0.07189355, 0.07637445, 0.06076889, 0.0560235, 0.1209147, 0.1100255],
    quality: {
      samples: 4,
      agreement: 1,
      reading: 'classes',
      agreementInterval: {
        low: 0.5101092,
        high: 1,
      },
      kl: 0.001032405,
      snrDb: 22.86645,
      cosine: 0.9988064,
      maxAbs: 0.1228956,
      outputs: [
        {
          name: 'y',
          reading: 'classes',
          samples: 4,
          agreement: 1,
          interval: {
            low: 0.5101092,
            high: 1,
          },
          chance: 0.75,
        },
      ],
    },
  },
  boxes: {
    distance: 0.06463631,
    loss: 0.06463631,
    curvature: [0.02107185, 0.01377699],
    taylor: [0.07189355, 0.07637445, 0.06076889, 0.0560235, 0.1209147, 0.1100255],
    quality: {
      samples: 2,
      agreement: 0.3529412,
      reading: 'boxes',
      agreementInterval: {
        low: 0.1630485,
        high: 0.5428339,
      },
      boxes: 17,
      snrDb: 19.8681,
      cosine: 0.9949097,
      maxAbs: 30.57299,
      outputs: [
        {
          name: 'y',
          reading: 'boxes',
          samples: 2,
          agreement: 0.3529412,
          interval: {
            low: 0.1630485,
            high: 0.5428339,
          },
        },
      ],
    },
  },
  'a map of classes': {
    distance: 0.008931438,
    loss: 0.00889622,
    curvature: [0.1876983, 0.1184056],
    taylor: [0.02853329, 0.0600215, 0.04929369, 0.04665749, 0.051764, 0.07108961],
    quality: {
      samples: 2,
      agreement: 0.9917645,
      reading: 'map',
      agreementInterval: {
        low: 0.9802022,
        high: 1,
      },
      pixels: 0.9921875,
      snrDb: 20.50794,
      cosine: 0.9956369,
      maxAbs: 0.5395615,
      outputs: [
        {
          name: 'y',
          reading: 'map',
          samples: 2,
          pixels: 0.9921875,
          agreement: 0.9917645,
          iou: 0.9837302,
          interval: {
            low: 0.9802022,
            high: 1,
          },
        },
      ],
    },
  },
  'a mask': {
    distance: 0.008931438,
    loss: 0.00889622,
    curvature: [0.1876983, 0.1184056],
    taylor: [0.02853329, 0.0600215, 0.04929369, 0.04665749, 0.051764, 0.07108961],
    quality: {
      samples: 2,
      agreement: 0.9835294,
      reading: 'map',
      agreementInterval: {
        low: 0.9579644,
        high: 1,
      },
      pixels: 0.9817708,
      snrDb: 20.50794,
      cosine: 0.9956369,
      maxAbs: 0.5395615,
      outputs: [
        {
          name: 'y',
          reading: 'map',
          pixels: 0.9817708,
          samples: 2,
          agreement: 0.9835294,
          interval: {
            low: 0.9579644,
            high: 1,
          },
          iou: 0.9675926,
        },
      ],
    },
  },
  image: {
    distance: 0.008931438,
    loss: 0.00889622,
    curvature: [0.1876983, 0.1184056],
    taylor: [0.02853329, 0.0600215, 0.04929369, 0.04665749, 0.051764, 0.07108961],
    quality: {
      samples: 2,
      snrDb: 20.50794,
      cosine: 0.9956369,
      maxAbs: 0.5395615,
      psnrDb: 35.67048,
      outputs: [
        {
          name: 'y',
          reading: 'image',
          samples: 2,
          psnrDb: 35.67048,
        },
      ],
    },
  },
  embedding: {
    distance: 0.002387194,
    loss: 0.002387285,
    curvature: [0.01611278, 0.008854552],
    taylor: [0.06706478, 0.0661905, 0.05398697, 0.05395979, 0.1147986, 0.08399104],
    quality: {
      samples: 4,
      agreement: 0.9988064,
      reading: 'embedding',
      agreementInterval: {
        low: 0.9979895,
        high: 0.9996234,
      },
      snrDb: 22.86645,
      cosine: 0.9988064,
      maxAbs: 0.1228956,
      outputs: [
        {
          name: 'y',
          reading: 'embedding',
          samples: 4,
          agreement: 0.9988064,
          worst: 0.9978177,
          chance: 0.5673336,
          interval: {
            low: 0.9979895,
            high: 0.9996234,
          },
        },
      ],
    },
  },
  numbers: {
    distance: 0.005508946,
    loss: 0.005168385,
    curvature: [0.02107185, 0.01377699],
    taylor: [0.07189355, 0.07637445, 0.06076889, 0.0560235, 0.1209147, 0.1100255],
    quality: {
      samples: 4,
      agreement: 0.992164,
      reading: 'numbers',
      agreementInterval: {
        low: 0.985628,
        high: 0.9987,
      },
      snrDb: 22.86645,
      cosine: 0.9988064,
      maxAbs: 0.1228956,
      outputs: [
        {
          name: 'y',
          reading: 'numbers',
          samples: 4,
          agreement: 0.992164,
          relativeError: 0.07189148,
          interval: {
            low: 0.985628,
            high: 0.9987,
          },
        },
      ],
    },
  },
} as const;
