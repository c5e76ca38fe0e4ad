package publications

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/atriumhub/atrium/pkg/failpoint"
	apisv1alpha2 "github.com/atriumhub/atrium/sdk/apis/apis/v1alpha2"
	corev1alpha1 "github.com/atriumhub/atrium/sdk/apis/core/v1alpha1"
	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// failing is a clerk at which a test can let the process end.
type failing struct{ clerk }

func (f failing) CreateBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) (made bool, err error) {
	err = failpoint.Around(failpoint.CreateBinding, in.String(), func() error {
		made, err = f.clerk.CreateBinding(ctx, in, binding)
		return err
	})
	return made, err
}

func (f failing) AmendBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error {
	return failpoint.Around(failpoint.AmendBinding, in.String(), func() error { return f.clerk.AmendBinding(ctx, in, binding) })
}

func (f failing) DeleteBinding(ctx context.Context, in logicalcluster.Name, binding *apisv1alpha2.APIBinding) error {
	return failpoint.Around(failpoint.DeleteBinding, in.String(), func() error { return f.clerk.DeleteBinding(ctx, in, binding) })
}

func (f failing) AmendCluster(ctx context.Context, in logicalcluster.Name, change func(*corev1alpha1.LogicalCluster)) error {
	return failpoint.Around(failpoint.OpenPublished, in.String(), func() error { return f.clerk.AmendCluster(ctx, in, change) })
}

func (f failing) ReleasePublication(ctx context.Context, key logicalcluster.Key, uid types.UID) error {
	return failpoint.Around(failpoint.ReleasePublication, key.Name, func() error { return f.clerk.ReleasePublication(ctx, key, uid) })
}
