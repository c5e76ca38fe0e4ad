package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apiserver/pkg/server/healthz"
	"k8s.io/klog/v2"

	"github.com/atriumhub/atrium/pkg/etcd"
	"github.com/atriumhub/atrium/pkg/upkeep/bootstrap"
)

// phase is one step of starting. Its name completes "failed to ...".
type phase struct {
	name string
	run  func(context.Context) error
}

// phases are the steps from nothing to ready. Each needs only those before it.
func (h *Hub) phases() []phase {
	return []phase{
		{"claim the root directory and the port", h.claim},
		{"start etcd", h.startEtcd},
		{"configure the hub", h.configure},
		{"build the hub", h.build},
		{"read what is stored", h.runReadModels},
		{"store the bootstrap policy", func(ctx context.Context) error { return bootstrap.Policy(ctx, h.bootstrapConfig()) }},
		{"furnish the root workspace", func(ctx context.Context) error { return bootstrap.Root(ctx, h.bootstrapConfig()) }},
		{"serve", h.serve},
		{"start the control loops", h.runControllers},
		{"furnish root:compute", func(ctx context.Context) error { return bootstrap.Compute(ctx, h.bootstrapConfig()) }},
		{"become ready", h.becomeReady},
	}
}

// Run starts the hub, calls ready once it is, and serves until ctx ends. It
// returns when everything has stopped and every acknowledged write is on disk.
func (h *Hub) Run(ctx context.Context, ready func()) error {
	sampleAllocations(h.options.Profiling)
	started := paceGarbage()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer h.release()
	defer h.stopped.Wait()
	defer stop()
	for _, phase := range h.phases() {
		if err := h.runPhase(ctx, running, phase); err != nil {
			if ctx.Err() != nil {
				return nil // asked to stop while starting
			}
			return fmt.Errorf("failed to %s: %w", phase.name, err)
		}
	}
	ready()
	h.stopped.Go(started)
	select {
	case <-ctx.Done():
		h.ready.Store(false)
		return nil
	case err := <-h.failed:
		return err
	}
}

// runPhase gives a phase the context that lives as long as the hub, and gives
// up waiting for it when ctx ends or something that runs has failed.
func (h *Hub) runPhase(ctx, running context.Context, p phase) error {
	began := time.Now()
	done := make(chan error, 1)
	go func() { done <- p.run(running) }()
	select {
	case err := <-done:
		klog.InfoS("Start phase ended", "phase", p.name, "took", time.Since(began).Round(time.Millisecond), "err", err)
		return err
	case err := <-h.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hub) claim(context.Context) error {
	var err error
	if h.lock, err = lockRootDir(h.options.RootDir); err != nil {
		return err
	}
	var port int
	if h.listener, port, err = listen(h.options.BindAddress, h.options.SecurePort); err != nil {
		return err
	}
	h.baseURL = h.options.baseURL(port)
	return nil
}

func (h *Hub) startEtcd(ctx context.Context) error {
	if len(h.options.EtcdServers) > 0 {
		h.endpoints = h.options.EtcdServers
		return nil
	}
	server, err := etcd.Start(ctx, etcd.Config{Dir: h.options.file("etcd")})
	switch {
	case errors.Is(err, etcd.ErrCorrupt):
		return fmt.Errorf("%w. Restore %s from a backup, or move it away to start empty", err, h.options.file("etcd"))
	case err != nil:
		return err
	}
	h.etcd, h.endpoints = server, server.Endpoints()
	h.stopped.Go(func() {
		select {
		case err := <-server.Failed():
			if err != nil {
				h.failed <- fmt.Errorf("etcd stopped: %w", err)
			}
		case <-ctx.Done():
		}
	})
	return nil
}

// serve starts answering those who have connected since the port was claimed.
// Before this the read models were empty, and everybody would have been told
// that they are nobody. /readyz says no until the last phase.
func (h *Hub) serve(ctx context.Context) error {
	if err := writeKubeconfig(h.options.file("admin.kubeconfig"), h.baseURL, h.authority); err != nil {
		return err
	}
	check := healthz.NamedCheck("atrium-started", func(*http.Request) error {
		if !h.ready.Load() {
			return errors.New("the hub is starting or stopping")
		}
		return nil
	})
	if err := h.server.AddReadyzChecks(check); err != nil {
		return fmt.Errorf("failed to add the readiness check: %w", err)
	}
	prepared := h.server.PrepareRun()
	h.stopped.Go(func() {
		if err := prepared.RunWithContext(ctx); err != nil {
			h.failed <- fmt.Errorf("the server stopped: %w", err)
		}
	})
	return nil
}

func (h *Hub) runReadModels(ctx context.Context) error {
	if err := h.models.run(ctx, &h.stopped); err != nil {
		return err
	}
	// Definitions are noted by now; objects may have outlived theirs.
	return h.stores.customResources.Find(ctx, h.stores.identified)
}

func (h *Hub) runControllers(ctx context.Context) error {
	for _, controller := range h.controllers {
		h.stopped.Go(func() { controller.Run(ctx) })
	}
	h.stopped.Go(func() { h.customResources.Run(ctx) })
	h.stopped.Go(func() { h.watchTokenSecrets(ctx) })
	return nil
}

// becomeReady waits for the server's own hooks, then says yes.
func (h *Hub) becomeReady(ctx context.Context) error {
	h.ready.Store(true)
	for {
		err := h.askReady(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond): // hooks offer nothing to wait on
		}
	}
}

func (h *Hub) askReady(ctx context.Context) error {
	return h.hubClient.REST().Get().AbsPath("/readyz").Do(ctx).Error()
}

// release lets go of what the hub holds, last things first.
func (h *Hub) release() {
	if h.models != nil {
		h.models.close()
	}
	if h.etcd != nil {
		h.etcd.Stop()
	}
	if h.listener != nil {
		h.listener.Close()
	}
	if h.lock != nil {
		h.lock.Close()
	}
}
