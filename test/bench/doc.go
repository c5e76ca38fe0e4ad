// Bench measures Atrium from the outside and prints one table: what was
// measured, the figure, the budget of the design, and whether it is met.
//
//	make bench                       # all of it, a quarter of an hour on 2 quiet cores
//	go run ./test/bench -list        # names of the experiments
//	go run ./test/bench -run 'create|delete' -n 10000
//
// Everything measured is a process of its own, started as a user would start it:
// the hub, a child cluster, the agent, a plain kube-apiserver to compare with.
// This program has only clients in it, but it does run on the same machine and
// takes its share of the cores.
//
//	experiments.go  what there is to measure, in order
//	lab.go          the hubs that experiments share, and the workspaces in them
//	arrivals.go     how latencies are taken: when a write turns up in a watch
//	memory.go       how memory is read: after the garbage has gone
//	budgets.go      the budgets
//	table.go        the table
package main
