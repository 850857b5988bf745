package restore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Decoded JSON takes more memory than its text. The types here, which are parts of the lines of
// a snapshot, bound how many values a text can have.

// members is a JSON object by the names of its members, at most [maxMembers].
type members map[string]json.RawMessage

func (m *members) UnmarshalJSON(text []byte) error {
	if string(bytes.TrimSpace(text)) == "null" {
		*m = nil
		return nil
	}
	*m = members{}
	return eachMember(text, func(name string, value json.RawMessage) error {
		if (*m)[name] = value; len(*m) > maxMembers {
			return fmt.Errorf("an object has more than %d members", maxMembers)
		}
		return nil
	})
}

// eachMember calls yield for the members of a JSON object, one after the other.
func eachMember(text []byte, yield func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("is no object"), err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return errors.New("is no object")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := yield(name, value); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// eachValue calls yield for the values of a JSON array, one after the other.
func eachValue(text []byte, yield func(value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(errors.New("is no list"), err)
	}
	for d.More() {
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := yield(value); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// boundedList decodes a JSON array of at most limit values without unknown fields; null
// is an empty one.
func boundedList[T any](text []byte, limit int) (list []T, err error) {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	err = eachValue(text, func(value json.RawMessage) error {
		if len(list) == limit {
			return fmt.Errorf("a list has more than %d values", limit)
		}
		var v T
		if err := strict(value, &v); err != nil {
			return err
		}
		list = append(list, v)
		return nil
	})
	return list, err
}
