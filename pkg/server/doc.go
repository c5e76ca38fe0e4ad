// Package server is the hub's composition root. It holds three lists and
// nothing else that decides anything:
//
//	chain.go        the request chain, in the order a request meets it
//	controllers.go  the control loops
//	start.go        the start phases, from an empty directory to ready
//
// Around them, options.go is what an operator may say, config.go turns it into
// the configuration of Kubernetes' generic control plane, informers.go opens
// the read models, and inprocess.go is the hub's client to itself.
package server
