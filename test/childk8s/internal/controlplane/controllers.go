package controlplane

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// runControllerManager runs until the context ends; an earlier return is a failure.
func runControllerManager(ctx context.Context, args []string) error {
	opts, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("failed to make the options of kube-controller-manager: %w", err)
	}
	all, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	if err := parse("kube-controller-manager", opts.Flags(all, disabled, aliases), args); err != nil {
		return err
	}
	config, err := opts.Config(ctx, all, disabled, aliases)
	if err != nil {
		return fmt.Errorf("failed to configure kube-controller-manager: %w", err)
	}
	return app.Run(ctx, config.Complete())
}
