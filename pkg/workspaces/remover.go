package workspaces

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	metadataclient "k8s.io/client-go/metadata"

	"github.com/atriumhub/atrium/sdk/client"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// hubRemover deletes through the hub's API, so that finalizers, admission and
// propagation do what tenants expect.
type hubRemover struct{ hub *client.Hub }

var _ remover = hubRemover{}

func (r hubRemover) Delete(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, namespace, name string, uid types.UID) error {
	at, err := r.at(in)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: metav1.NewUIDPreconditions(string(uid))}
	if namespace == "" {
		return at.Resource(gvr).Delete(ctx, name, options)
	}
	return at.Resource(gvr).Namespace(namespace).Delete(ctx, name, options)
}

func (r hubRemover) List(ctx context.Context, in logicalcluster.Name, gvr schema.GroupVersionResource, options metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	at, err := r.at(in)
	if err != nil {
		return nil, err
	}
	return at.Resource(gvr).List(ctx, options)
}

func (r hubRemover) at(in logicalcluster.Name) (metadataclient.Interface, error) {
	config := metadataclient.ConfigFor(r.hub.Config(in.Path()))
	at, err := metadataclient.NewForConfigAndClient(config, r.hub.HTTPClient())
	if err != nil {
		return nil, fmt.Errorf("failed to make a metadata client: %w", err)
	}
	return at, nil
}
