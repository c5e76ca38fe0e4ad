// Package e2e tests a hub, child clusters and agents together, as the processes
// users start. It drives the programs in bin/ (see package harness) and links
// none of them.
//
//	story_test.go    what the demo does, asserted
//	crash_test.go    a hub that is killed, stopped, started again
//	start_test.go    starts that cannot work, and users from a token file
//	agents_test.go   agents that are killed, cut off, or set up wrongly
//	input_test.go    mistakes users make, and what they are told
//	kubectl_test.go  what people do with kubectl all day
//	hostile_test.go  what a workspace's admin must not be able to do to others,
//	owners_test.go   to the hub and to what everybody shares,
//	views_test.go    and over the doors of agents
//	skew_test.go     a child cluster of the Kubernetes version before
//	kcp_test.go      kcp's own plugins of kubectl, and a controller made with its libraries
//
// Most tests share one hub and two child clusters, and keep out of each other's
// way by workspaces, sync targets and names of their own. Those that kill a hub
// start one.
package e2e
