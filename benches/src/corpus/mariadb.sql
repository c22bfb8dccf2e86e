CREATE TABLE customers (
    id INT PRIMARY KEY,
    name VARCHAR(80) NOT NULL,
    email VARCHAR(120) NOT NULL,
    city VARCHAR(60) NOT NULL,
    last_login DATETIME NOT NULL,
    points INT NOT NULL
);
CREATE TABLE products (
    id INT PRIMARY KEY,
    name VARCHAR(80) NOT NULL,
    description TEXT NOT NULL,
    price_cents INT NOT NULL
);
CREATE TABLE orders (
    id INT PRIMARY KEY,
    customer_id INT NOT NULL,
    status VARCHAR(12) NOT NULL,
    placed_at DATETIME NOT NULL,
    total_cents INT NOT NULL
);
CREATE TABLE order_items (
    id INT PRIMARY KEY,
    order_id INT NOT NULL,
    product_id INT NOT NULL,
    quantity INT NOT NULL,
    price_cents INT NOT NULL
);
CREATE TABLE stock_movements (
    id INT PRIMARY KEY,
    product_id INT NOT NULL,
    reason VARCHAR(12) NOT NULL,
    quantity INT NOT NULL,
    moved_at DATETIME NOT NULL,
    note VARCHAR(120) NOT NULL
);
