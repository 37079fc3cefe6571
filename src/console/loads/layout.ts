// Where the tasks of a run stand: layers by what they need.
import { Graph, layout } from '@dagrejs/dagre'

import type { TaskJson } from '../../server/contract.ts'

export const NODE = { width: 208, height: 62 }

export interface Placed {
  readonly nodes: readonly { readonly task: TaskJson; readonly x: number; readonly y: number }[]
  readonly edges: readonly { readonly id: string; readonly source: string; readonly target: string }[]
  readonly width: number
  readonly height: number
}

/** `direction`: left to right, or top to bottom where the page is narrow. */
export function placeTasks(tasks: readonly TaskJson[], direction: 'LR' | 'TB'): Placed {
  const graph = new Graph()
  graph.setGraph({ rankdir: direction, nodesep: 18, ranksep: 46, marginx: 4, marginy: 4 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const task of tasks) graph.setNode(task.name, { ...NODE })
  const edges = tasks.flatMap((task) =>
    task.needs.map((need) => ({ id: `${need}→${task.name}`, source: need, target: task.name })),
  )
  for (const edge of edges) graph.setEdge(edge.source, edge.target)
  layout(graph)
  const size = graph.graph()
  return {
    nodes: tasks.map((task) => {
      const { x, y } = graph.node(task.name)
      return { task, x: x - NODE.width / 2, y: y - NODE.height / 2 }
    }),
    edges,
    width: size.width ?? NODE.width,
    height: size.height ?? NODE.height,
  }
}
