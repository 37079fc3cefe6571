// The tasks of a run as a graph.
import '@xyflow/react/dist/base.css'

import { useElementSize } from '@mantine/hooks'
import { Handle, Position, ReactFlow, type Edge, type Node, type NodeProps } from '@xyflow/react'
import { useMemo } from 'react'

import type { TaskJson } from '../../server/contract.ts'
import { Sign, stateTone } from '../parts/marks.tsx'
import { Meter } from '../parts/meter.tsx'
import { NODE, placeTasks } from './layout.ts'
import styles from './task-graph.module.css'
import { Took } from './took.tsx'

interface TaskGraphProps {
  readonly tasks: readonly TaskJson[]
  readonly chosen: string | undefined
  readonly onChoose: (task: string) => void
}

type TaskNode = Node<{ task: TaskJson; direction: 'LR' | 'TB' }, 'task'>

const nodeTypes = { task: TaskBox }
const NARROW = 560

export function TaskGraph({ tasks, chosen, onChoose }: TaskGraphProps) {
  const { ref, width } = useElementSize()
  const direction = width > 0 && width < NARROW ? 'TB' : 'LR'
  const shape = tasks.map((one) => `${one.name}<${one.needs.join()}`).join(';')
  // oxlint-disable-next-line react-hooks/exhaustive-deps -- only the shape moves the boxes, not each progress
  const placed = useMemo(() => placeTasks(tasks, direction), [shape, direction])
  const byName = new Map(tasks.map((one) => [one.name, one]))
  const nodes: TaskNode[] = placed.nodes.map(({ task, x, y }) => ({
    id: task.name,
    type: 'task',
    position: { x, y },
    width: NODE.width,
    height: NODE.height,
    selected: task.name === chosen,
    data: { task: byName.get(task.name) ?? task, direction },
  }))
  const edges: Edge[] = placed.edges.map((edge) => ({
    ...edge,
    className: byName.get(edge.source)?.state === 'succeeded' ? styles.passed! : styles.edge!,
  }))
  const height = Math.min(420, Math.max(84, placed.height * Math.min(1, width / placed.width) + 16))
  return (
    <div ref={ref} className={styles.frame} style={{ height }}>
      {width > 0 && (
        <ReactFlow
          key={`${shape}-${direction}-${Math.round(width / 40)}`}
          nodes={nodes}
          edges={edges}
          nodeTypes={nodeTypes}
          fitView
          fitViewOptions={{ padding: 0.03, maxZoom: 1 }}
          minZoom={0.2}
          maxZoom={1.4}
          nodesDraggable={false}
          nodesConnectable={false}
          zoomOnScroll={false}
          preventScrolling={false}
          proOptions={{ hideAttribution: false }}
          onNodesChange={(changes) => {
            for (const change of changes) if (change.type === 'select' && change.selected) onChoose(change.id)
          }}
        />
      )}
    </div>
  )
}

function TaskBox({ data, selected }: NodeProps<TaskNode>) {
  const { task, direction } = data
  const [into, out] = direction === 'LR' ? [Position.Left, Position.Right] : [Position.Top, Position.Bottom]
  return (
    <div className={`${styles.box} ${selected ? styles.chosen : ''}`} data-state={task.state}>
      <Handle type="target" position={into} className={styles.handle} isConnectable={false} />
      <div className={styles.title}>
        <Sign tone={stateTone(task.state)} />
        <span>{task.name}</span>
      </div>
      <div className={styles.detail}>
        <span>{task.kind}</span>
        <span>{task.state === 'running' || task.finishedAt !== null ? <Took run={task} /> : task.state}</span>
      </div>
      {task.state === 'running' && (
        <Meter done={task.progress?.done} total={task.progress?.total} label={`Progress of ${task.name}`} />
      )}
      <Handle type="source" position={out} className={styles.handle} isConnectable={false} />
    </div>
  )
}
