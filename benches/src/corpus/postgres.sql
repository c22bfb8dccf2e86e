CREATE TABLE customers (
    id bigint PRIMARY KEY,
    reference uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    street text NOT NULL,
    city text NOT NULL,
    loyalty_points integer NOT NULL,
    created_at timestamp NOT NULL,
    last_seen_at timestamp NOT NULL,
    remark text NOT NULL
);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    reference uuid NOT NULL,
    status text NOT NULL,
    total_cents integer NOT NULL,
    placed_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    note text NOT NULL
);
CREATE TABLE order_lines (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    article text NOT NULL,
    quantity integer NOT NULL,
    price_cents integer NOT NULL,
    shipped boolean NOT NULL
);
CREATE TABLE audit_log (
    id bigint PRIMARY KEY,
    at timestamp NOT NULL,
    actor text NOT NULL,
    request uuid NOT NULL,
    event jsonb NOT NULL,
    message text NOT NULL,
    reviewed_at timestamp
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX order_lines_order ON order_lines (order_id);
