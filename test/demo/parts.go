package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/atriumhub/atrium/test/harness"
)

func kubectlIn(region string) string { return "kubectl --kubeconfig " + region + "/admin.kubeconfig" }

func (d *demo) startHub(ctx context.Context) (string, error) {
	began := time.Now()
	if err := d.hub.Start(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("the hub is ready after %.1f s", time.Since(began).Seconds()), nil
}

// plain writes files of the world as they look from its directory.
func (d *demo) plain(text string) string { return strings.ReplaceAll(text, d.world.Dir+"/", "") }

func (d *demo) startChild(ctx context.Context, region string) (string, error) {
	began := time.Now()
	child, err := d.world.StartChild(ctx, region)
	if err != nil {
		return "", err
	}
	cluster, err := child.Client()
	if err != nil {
		return "", err
	}
	d.keepChild(region, child, cluster)
	version, err := cluster.Discovery().ServerVersion()
	if err != nil {
		return "", fmt.Errorf("failed to ask %s for its version: %w", region, err)
	}
	return fmt.Sprintf("%s is ready after %.1f s: Kubernetes %s with 2 simulated nodes", region, time.Since(began).Seconds(), version.GitVersion), nil
}

func (d *demo) startAgent(ctx context.Context, region string) error {
	uid, err := d.world.Kubectl(ctx, d.world.Path("hub", "admin.kubeconfig"), "get", "synctarget", region, "-o", "jsonpath={.metadata.uid}")
	if err != nil {
		return err
	}
	if uid == "" {
		return errors.New("the SyncTarget " + region + " has no UID")
	}
	d.stage.command(fmt.Sprintf("atrium-syncer --hub-kubeconfig %s-agent.kubeconfig --child-kubeconfig %s/admin.kubeconfig \\\n    --sync-target %s --sync-target-uid %s &", region, region, region, uid))
	_, err = d.world.StartSyncer(ctx, &harness.Target{Name: region, UID: uid, Kubeconfig: d.world.Path(region + "-agent.kubeconfig")}, d.children[region])
	return err
}

// keepChild remembers a cluster; two are started at a time.
func (d *demo) keepChild(region string, child *harness.Child, cluster kubernetes.Interface) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.children[region], d.clusters[region] = child, cluster
}
