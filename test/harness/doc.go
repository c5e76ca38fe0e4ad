// Package harness runs the real things: a hub, child clusters, syncers and
// kubectl, each as the process a user would start. The demo, the end-to-end
// tests and the benchmarks are written in its words.
//
//	world, err := harness.NewWorld(dir)           // finds the programs in bin/
//	defer world.Close()
//	hub, err := world.StartHub(ctx, harness.HubOptions{})
//	eu, err := world.StartChild(ctx, "eu")
//	target, err := world.Register(ctx, hub, "root:compute", "eu", "region=eu")
//	agent, err := world.StartSyncer(ctx, target, eu)
//	out, err := world.Kubectl(ctx, hub.Kubeconfig, "ws", "create", "team")
//	err = harness.Await(ctx, deployments, func(found []*appsv1.Deployment) string { … })
//
// Everything a World started ends with it, and when the process that made it is
// killed. Nothing listens outside the loopback addresses.
//
// Waiting is done by watching (Await), or by reading the log of a process until
// a line turns up (Process.AwaitLine).
package harness
