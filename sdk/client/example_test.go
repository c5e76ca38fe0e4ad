package client_test

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/atriumhub/atrium/sdk/client"
)

// One connection serves every workspace.
func Example() {
	hub, err := client.New(&rest.Config{Host: "https://hub.example:6443", BearerToken: "…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hub.Config("root:org:team").Host)
	fmt.Println(hub.Config(client.Everywhere).Host)
	// Output:
	// https://hub.example:6443/clusters/root:org:team
	// https://hub.example:6443/clusters/*
}

// A watch over all workspaces; KeyOf tells them apart.
func ExampleWorkspaces() {
	watchAll := func(ctx context.Context, hub *client.Hub) error {
		list, err := client.Workspaces(hub, client.Everywhere).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		events, err := client.Workspaces(hub, client.Everywhere).Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
		if err != nil {
			return err
		}
		defer events.Stop()
		for event := range events.ResultChan() {
			if obj, ok := event.Object.(metav1.Object); ok {
				fmt.Println(event.Type, client.KeyOf(obj))
			}
		}
		return nil
	}
	_ = watchAll
}

func ExampleSplitURL() {
	base, path, ok := client.SplitURL("https://hub.example:6443/clusters/root:org")
	fmt.Println(base, path, ok)
	// Output: https://hub.example:6443 root:org true
}
