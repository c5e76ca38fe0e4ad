package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/atriumhub/atrium/test/harness"
)

// files are the YAML files that the commands apply.
//
//go:embed files
var files embed.FS

func (d *demo) steps() []step {
	return []step{
		{"Start a hub and two ordinary Kubernetes clusters", d.start},
		{"Register the clusters with the hub", d.register},
		{"Give two teams a workspace each", d.createWorkspaces},
		{"Install the same API twice, with different schemas", d.installAPIs},
		{"Make the workspaces able to run things", d.bindCompute},
		{"Deploy web to eu, api to us", d.deploy},
		{"See where the pods run", d.showPods},
		{"Move web from eu to us by changing one label", d.move},
		{"Delete, and see both clusters clean", d.remove},
	}
}

// start prints the commands and lets the harness run them, which sees to it that
// nothing is left running.
func (d *demo) start(ctx context.Context) error {
	if err := d.writeFiles(); err != nil {
		return err
	}
	d.stage.command("cd .demo; export PATH=$PWD/../bin:$PATH KUBECONFIG=$PWD/hub/admin.kubeconfig")
	hub, err := d.world.NewHub(harness.HubOptions{})
	if err != nil {
		return err
	}
	d.hub = hub
	d.stage.command("atrium " + d.plain(strings.Join(hub.Args(), " ")) + " &")
	for _, region := range regions {
		d.stage.command(fmt.Sprintf("childk8s cluster --dir %s --name %s &", region, region))
	}
	return d.startAll(ctx)
}

// startAll starts the hub and the clusters at once and says so as each is ready.
func (d *demo) startAll(ctx context.Context) error {
	starting, ctx := errgroup.WithContext(ctx)
	ready := make(chan string)
	announce := func(start func(context.Context) (string, error)) {
		starting.Go(func() error {
			what, err := start(ctx)
			if err == nil {
				ready <- what
			}
			return err
		})
	}
	announce(d.startHub)
	for _, region := range regions {
		announce(func(ctx context.Context) (string, error) { return d.startChild(ctx, region) })
	}
	var err error
	go func() {
		err = starting.Wait()
		close(ready)
	}()
	d.stage.wait("starting")
	for what := range ready {
		d.stage.note("%s", what)
		d.stage.wait("starting")
	}
	return err
}

func (d *demo) writeFiles() error {
	inside, err := fs.Sub(files, "files")
	if err == nil {
		err = os.CopyFS(d.world.Dir, inside)
	}
	if err != nil {
		return fmt.Errorf("failed to write the files of the demo: %w", err)
	}
	return nil
}

func (d *demo) register(ctx context.Context) error {
	if err := d.run(ctx, "kubectl ws :root:compute"); err != nil {
		return err
	}
	for _, region := range regions {
		line := fmt.Sprintf("kubectl atrium sync %s --labels region=%s -o %s-agent.kubeconfig", region, region, region)
		if err := d.runShort(ctx, line, 2); err != nil {
			return err
		}
	}
	d.stage.explain("Each cluster has an agent, which connects out to the hub and to its cluster.")
	for _, region := range regions {
		if err := d.startAgent(ctx, region); err != nil {
			return err
		}
	}
	return d.runAll(ctx,
		"kubectl wait --for=condition=Ready synctarget/eu synctarget/us",
		"kubectl get synctargets -L region")
}

func (d *demo) createWorkspaces(ctx context.Context) error {
	return d.runAll(ctx,
		"kubectl ws :root",
		"kubectl ws create acme --enter",
		"kubectl ws create web",
		"kubectl ws create api",
		"kubectl ws :root",
		"kubectl ws tree",
	)
}

func (d *demo) installAPIs(ctx context.Context) error {
	d.stage.explain("Both teams define a Banner. For web its size is a number, for api a word.")
	for _, team := range []struct{ name, accepted, refused, why string }{
		{"web", "banner-number.yaml", "banner-word.yaml", "must be of type integer"},
		{"api", "banner-word.yaml", "banner-number.yaml", "must be of type string"},
	} {
		if err := d.runAll(ctx,
			"kubectl ws :root:acme:"+team.name,
			"kubectl apply -f crd-"+team.name+".yaml",
			"kubectl wait --for=condition=Established crd/banners.example.io",
			"kubectl apply -f "+team.accepted,
		); err != nil {
			return err
		}
		if err := d.runRefused(ctx, "kubectl apply -f "+team.refused, team.why); err != nil {
			return err
		}
		if err := d.run(ctx, "kubectl get banners"); err != nil {
			return err
		}
	}
	return nil
}

const bindBoth = `for r in eu us; do kubectl atrium bind compute root:compute --name $r \
    --namespace-selector region=$r --location-selectors region=$r; done`

func (d *demo) bindCompute(ctx context.Context) error {
	d.stage.explain("A workspace knows no Deployments until it binds compute. Placements say which namespaces go\nto which clusters: here those with the label region=eu to eu, those with region=us to us.")
	for i, team := range []string{"web", "api"} {
		if err := d.run(ctx, "kubectl ws :root:acme:"+team); err != nil {
			return err
		}
		if i == 0 {
			if err := d.runRefused(ctx, "kubectl get deployments", "deployments"); err != nil {
				return err
			}
		}
		if err := d.run(ctx, bindBoth); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) deploy(ctx context.Context) error {
	d.stage.explain("The label of a namespace is all that says where it runs.")
	return d.runAll(ctx,
		"kubectl ws :root:acme:web",
		"kubectl label namespace default region=eu",
		"kubectl create deployment shop --image=shop:1 --replicas=2",
		"kubectl ws :root:acme:api",
		"kubectl label namespace default region=us",
		"kubectl create deployment billing --image=billing:1 --replicas=3",
		"kubectl wait --for=condition=Available deployment/billing",
		"kubectl get deployments",
		"kubectl ws :root:acme:web",
		"kubectl wait --for=condition=Available deployment/shop",
		"kubectl get deployments",
	)
}

func (d *demo) showPods(ctx context.Context) error {
	d.stage.explain("The hub runs no pods. The namespaces kcp-… stand for a namespace of a workspace.")
	return d.show(ctx, holding{"eu": {"shop": 2}, "us": {"billing": 3}})
}

func (d *demo) move(ctx context.Context) error {
	if err := d.run(ctx, "kubectl label namespace default region=us --overwrite"); err != nil {
		return err
	}
	began := time.Now()
	d.stage.wait("moving")
	if err := d.await(ctx, "us", map[string]int{"shop": 2, "billing": 3}); err != nil {
		return err
	}
	d.stage.note("%.1f s later 2 pods of shop are ready in us,", time.Since(began).Seconds())
	d.stage.wait("moving")
	if err := d.await(ctx, "eu", nil); err != nil {
		return err
	}
	d.stage.note("%.1f s later none is left in eu.", time.Since(began).Seconds())
	if err := d.show(ctx, holding{"eu": {}, "us": {"shop": 2, "billing": 3}}); err != nil {
		return err
	}
	return d.run(ctx, "kubectl get deployments")
}

func (d *demo) remove(ctx context.Context) error {
	if err := d.runAll(ctx,
		"kubectl delete deployment shop",
		"kubectl ws :root",
		"kubectl delete workspace acme",
	); err != nil {
		return err
	}
	for _, region := range regions {
		if err := d.awaitClean(ctx, region); err != nil {
			return err
		}
	}
	for _, region := range regions {
		if err := d.run(ctx, kubectlIn(region)+" get deployments,pods -A"); err != nil {
			return err
		}
		if err := d.run(ctx, kubectlIn(region)+" get namespaces"); err != nil {
			return err
		}
	}
	return nil
}

// show prints the pods of both clusters and checks them.
func (d *demo) show(ctx context.Context, want holding) error {
	for _, region := range regions {
		if err := d.await(ctx, region, want[region]); err != nil {
			return err
		}
		if err := d.run(ctx, kubectlIn(region)+" get pods -A"); err != nil {
			return err
		}
	}
	return nil
}
