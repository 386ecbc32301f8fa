// Path costs by link speed, as tables to choose from.
//
//   2004    802.1D-2004 Table 17-3: 20 Tb/s divided by the speed. The default with RSTP.
//   1998    802.1D-1998 Table 8-5, 10 Gb/s as 802.1t added it: 16 bits, for networks of old bridges.
//   kernel  the Linux bridge's as of Linux 6.18, where 1 Gb/s costs 5 and anything above 10 Gb/s 1. A tap says
//           that it has 10 Gb/s, and costs 2.
//
// Between two rows the slower one holds.

/** Speed in Mb/s from which on the cost holds, the fastest first. */
export interface PathCostRow {
  readonly speedMbit: number;
  readonly cost: number;
}

/** The tables by name. */
export const PATH_COSTS = {
  '2004': [
    { speedMbit: 10_000_000, cost: 2 },
    { speedMbit: 1_000_000, cost: 20 },
    { speedMbit: 100_000, cost: 200 },
    { speedMbit: 10_000, cost: 2000 },
    { speedMbit: 1000, cost: 20_000 },
    { speedMbit: 100, cost: 200_000 },
    { speedMbit: 10, cost: 2_000_000 },
    { speedMbit: 1, cost: 20_000_000 },
    { speedMbit: 0, cost: 200_000_000 },
  ],
  '1998': [
    { speedMbit: 10_000, cost: 2 },
    { speedMbit: 1000, cost: 4 },
    { speedMbit: 100, cost: 19 },
    { speedMbit: 16, cost: 62 },
    { speedMbit: 10, cost: 100 },
    { speedMbit: 0, cost: 250 },
  ],
  kernel: [
    { speedMbit: 10_001, cost: 1 },
    { speedMbit: 10_000, cost: 2 },
    { speedMbit: 5000, cost: 3 },
    { speedMbit: 2500, cost: 4 },
    { speedMbit: 1000, cost: 5 },
    { speedMbit: 100, cost: 19 },
    { speedMbit: 0, cost: 100 },
  ],
} as const satisfies Record<string, readonly PathCostRow[]>;
export type PathCostTable = keyof typeof PATH_COSTS;

/** Cost of a link of `speedMbit` Mb/s (fractions allowed, above 0). */
export function pathCost(table: PathCostTable, speedMbit: number): number {
  const rows: readonly PathCostRow[] = PATH_COSTS[table];
  for (const row of rows) if (speedMbit >= row.speedMbit) return row.cost;
  return (rows[rows.length - 1] as PathCostRow).cost;
}
