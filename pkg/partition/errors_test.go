package partition

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestSized(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		large bool
	}{
		"nothing":       {nil, false},
		"etcd":          {rpctypes.ErrRequestTooLarge, true},
		"etcd's gRPC":   {rpctypes.ErrGRPCRequestTooLarge, true},
		"gRPC":          {status.Error(codes.ResourceExhausted, "trying to send message larger than max (2 vs. 1)"), true},
		"no space":      {rpctypes.ErrGRPCNoSpace, false},
		"anything else": {errors.New("message larger than max"), false},
	} {
		got := sized(c.err)
		if apierrors.IsRequestEntityTooLargeError(got) != c.large || !c.large && got != c.err {
			t.Errorf("%s: %v", name, got)
		}
	}
}
