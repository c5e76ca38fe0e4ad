package celconversion

import (
	"encoding/base64"
	"fmt"
	"math"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// unmarshal reads JSON with integers as they are in unstructured objects.
func unmarshal(text string, into *map[string]any) error {
	return kjson.UnmarshalCaseSensitivePreserveInts([]byte(text), into)
}

// toJSON returns what an expression made in the form in which unstructured objects
// have it.
func toJSON(value ref.Val) (any, error) {
	switch v := value.(type) {
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("%d is too large", v)
		}
		return int64(v), nil
	case types.Double:
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%v is no number that JSON has", v)
		}
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case types.Null:
		return nil, nil
	case types.Timestamp, types.Duration:
		return toJSON(v.ConvertToType(types.StringType))
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return toJSON(v.GetValue())
	}
	switch plain := value.Value().(type) {
	case map[string]any: // the object as it was, or a part of it
		return runtime.DeepCopyJSONValue(plain), nil
	}
	if list, ok := value.(traits.Lister); ok {
		return listToJSON(list)
	}
	if m, ok := value.(traits.Mapper); ok {
		return mapToJSON(m)
	}
	return nil, fmt.Errorf("a %s cannot be in an object", value.Type().TypeName())
}

func listToJSON(list traits.Lister) (any, error) {
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, err := toJSON(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func mapToJSON(m traits.Mapper) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the key %v is no string", key.Value())
		}
		item, err := toJSON(m.Get(key))
		if err != nil {
			return nil, err
		}
		out[string(name)] = item
	}
	return out, nil
}
