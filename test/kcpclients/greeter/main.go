// Program greeter is two controllers as they are written for kcp: with
// multicluster-runtime and kcp's providers for it, all as they are released. It knows
// nothing of Atrium.
//
//	greeter -endpointslice NAME    answers Greetings wherever an export is bound
//	greeter -workspacetype NAME    prepares the workspaces of a type
//
// Both take the name of an object in the workspace that KUBECONFIG points to. On
// standard output they say which workspaces they serve: "engaged <cluster>" and
// "disengaged <cluster>", one a line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	apisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	apisv1alpha2 "github.com/kcp-dev/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	tenancyv1alpha1 "github.com/kcp-dev/sdk/apis/tenancy/v1alpha1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcmanager "sigs.k8s.io/multicluster-runtime/pkg/manager"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

func main() {
	slice := flag.String("endpointslice", "", "the APIExportEndpointSlice of the export of greetings")
	workspaceType := flag.String("workspacetype", "", "the WorkspaceType of the workspaces to prepare")
	flag.Parse()
	ctrl.SetLogger(klog.Background())
	if err := run(ctrl.SetupSignalHandler(), *slice, *workspaceType); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, slice, workspaceType string) error {
	for _, add := range []func() error{
		func() error { return apisv1alpha1.AddToScheme(scheme.Scheme) },
		func() error { return apisv1alpha2.AddToScheme(scheme.Scheme) },
		func() error { return corev1alpha1.AddToScheme(scheme.Scheme) },
		func() error { return tenancyv1alpha1.AddToScheme(scheme.Scheme) },
	} {
		if err := add(); err != nil {
			return err
		}
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	switch {
	case slice != "":
		return greet(ctx, config, slice)
	case workspaceType != "":
		return welcome(ctx, config, workspaceType)
	default:
		return errors.New("give one of -endpointslice and -workspacetype")
	}
}

// newManager returns a manager for the workspaces of a provider, which tells of them.
func newManager(config *rest.Config, provider multicluster.Provider) (mcmanager.Manager, error) {
	mgr, err := mcmanager.New(config, provider, manager.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return nil, fmt.Errorf("failed to make the manager: %w", err)
	}
	return mgr, mgr.Add(witness{})
}

// witness tells which workspaces come and go.
type witness struct{}

func (witness) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (witness) Engage(ctx context.Context, name string, _ cluster.Cluster) error {
	fmt.Println("engaged", name)
	context.AfterFunc(ctx, func() { fmt.Println("disengaged", name) })
	return nil
}
