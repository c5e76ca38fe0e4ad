package controlplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// drainTime is how long Stop lets the API server finish the requests it has accepted. Watches never
// finish by themselves, so it is also what Stop usually takes.
const drainTime = time.Second

// errEarly says that a component returned although nobody had asked it to end.
var errEarly = errors.New("ended by itself")

// ControlPlane is a running etcd, API server, controller manager and scheduler.
type ControlPlane struct {
	config Config
	etcd   *etcd

	// serving and steering end the API server and its two clients.
	serving, steering         context.Context
	stopServing, stopSteering context.CancelFunc

	apiserverDone chan struct{}
}

// Start brings up etcd and the API server and returns at once; the API server is ready some two seconds
// later, when its /readyz says so, and only then may StartControllers be called. ctx bounds the start of
// etcd only. There can be one control plane in a process.
func Start(ctx context.Context, config Config) (*ControlPlane, error) {
	etcd, err := startEtcd(ctx, config.Name, config.etcdDir())
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{config: config, etcd: etcd, apiserverDone: make(chan struct{})}
	c.serving, c.stopServing = context.WithCancel(context.WithoutCancel(ctx))
	c.steering, c.stopSteering = context.WithCancel(context.WithoutCancel(ctx))
	opts, err := prepareAPIServer(c.serving, config.apiserverArgs(etcd.url), config.Listener)
	if err != nil {
		return nil, errors.Join(err, etcd.close())
	}
	go c.serve(opts)
	go c.report(c.serving, "etcd", func() error { return <-etcd.failed() })
	return c, nil
}

func (c *ControlPlane) serve(opts options.CompletedOptions) {
	defer close(c.apiserverDone)
	c.report(c.serving, "kube-apiserver", func() error { return app.Run(c.serving, opts) })
}

// StartControllers brings up the controller manager and the scheduler.
func (c *ControlPlane) StartControllers() {
	go c.report(c.steering, "kube-controller-manager", func() error {
		return runControllerManager(c.steering, c.config.controllerManagerArgs())
	})
	go c.report(c.steering, "kube-scheduler", func() error {
		return runScheduler(c.steering, c.config.schedulerArgs())
	})
}

// report runs a component and tells Config.Failed if it ends before ctx does.
func (c *ControlPlane) report(ctx context.Context, name string, run func() error) {
	err := run()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		err = errEarly
	}
	c.config.Failed <- fmt.Errorf("%s: %w", name, err)
}

// Stop ends everything within a few seconds. Every write that a client was told of is kept.
func (c *ControlPlane) Stop() error {
	c.stopSteering()
	c.stopServing()
	select {
	case <-c.apiserverDone:
	case <-time.After(drainTime):
	}
	return c.etcd.close()
}
